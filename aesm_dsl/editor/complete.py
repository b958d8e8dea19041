"""Completion: what may be written at a position: words of the language by context, units behind numbers, and names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aesm_dsl.editor import tune_block, vocabulary
from aesm_dsl.editor.analysis import Analysis
from aesm_dsl.editor.cursor import CursorContext, Token, context_at
from aesm_dsl.editor.names import GROUP, IMPORT, LEVEL, NODE, Declaration, SpecNames, collect_names
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel
from aesm_dsl.spec.import_file import importable_paths, resolve_path
from aesm_dsl.spec.kinds import BlockKind, Kind, MembersKind
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.places import NAMELESS
from aesm_dsl.spec.search_space import TUNE
from aesm_dsl.spec.write import value_text
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.tree import documentation


@dataclass(frozen=True, slots=True)
class Completion:
    """One thing that may be written."""

    label: str
    kind: str
    """setting, block, argument, call, word, unit, value, file, or the noun of a name."""
    insert: str
    """The text to write, in which `$0` marks where the cursor goes."""
    start: int
    """Offset of the first character that it replaces."""
    end: int
    """Offset behind the last character that it replaces."""
    detail: str = ""
    """What may be written there, in a few words."""
    help: str = ""
    """The line of help."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A completion, before it is known what it replaces."""

    label: str
    kind: str
    insert: str
    detail: str = ""
    help: str = ""


def complete(analysis: Analysis, offset: int) -> list[Completion]:
    """Returns everything that fits at an offset, in the order of the vocabulary.

    In the string that is the path of an import these are the files that exist; in other strings and comments nothing.
    """
    context = context_at(analysis.source.text, offset)
    token = context.token
    if token is not None and token.kind == "string" and _is_path(context):
        return list(_paths(analysis, token))
    if token is not None and token.kind in ("string", "comment"):
        return []
    if token is not None and token.kind == "number" and token.start < offset:
        # `4096r`: the unit may follow right behind.
        return [_completion(unit, offset, offset) for unit in _units(context, first=True)]
    start, end = (token.start, token.end) if token is not None and token.kind == "name" else (offset, offset)
    return [_completion(candidate, start, end) for candidate in _candidates(analysis, context, offset)]


def _completion(candidate: _Candidate, start: int, end: int) -> Completion:
    return Completion(candidate.label, candidate.kind, candidate.insert, start, end, candidate.detail, candidate.help)


def _candidates(analysis: Analysis, context: CursorContext, offset: int) -> Iterator[_Candidate]:
    if tune_block.in_tune_block(context):
        yield from _searched(analysis, context, offset)
    elif context.before:
        yield from _units(context)
    elif not context.blocks and not context.key:
        yield from _top(analysis.file)
    elif (call := vocabulary.call_model(context)) is not None and not context.nests[-1].argument:
        yield from _arguments(call, context)
    elif (kind := vocabulary.value_kind(context)) is not None:
        yield from _values(kind, analysis, context, offset)
    elif not context.key and (model := vocabulary.block_model(context.blocks)) is not None:
        yield from _statements(model, context.following, _written(analysis.file, offset))


def _searched(analysis: Analysis, context: CursorContext, offset: int) -> Iterator[_Candidate]:
    """In the block `tune`: the paths of settings, and as values the calls of a search, or the setting's own values."""
    if context.key:
        at_argument = bool(context.nests) and bool(context.nests[-1].call) and not context.nests[-1].argument
        if not context.before and not at_argument and not tune_block.in_search_call(context):
            for word, help in tune_block.SEARCH_CALLS.items():
                yield _Candidate(word, "call", f"{word}($0)", "", help)
        yield from _candidates(analysis, tune_block.at_setting(context), offset)
    elif not context.before:
        written = _written(analysis.file, offset)
        for path, value in tune_block.searchable_settings(analysis).items():
            if path not in written:
                yield _Candidate(path, "setting", path if context.following == "=" else f"{path} = $0", value)


def _units(context: CursorContext, first: bool = False) -> Iterator[_Candidate]:
    """The units of the number before the position; `first` says that the position touches it."""
    kind = vocabulary.value_kind(context)
    if kind is None or not (first or (len(context.before) == 1 and context.before[0].kind == "number")):
        return
    for unit, bounds in vocabulary.allowed_units(kind).items():
        yield _Candidate(unit, "unit", f" {unit}" if first else unit, bounds)


def _top(file: tree.File) -> Iterator[_Candidate]:
    written = {statement.key.text for statement in file.statements if isinstance(statement, tree.Setting)}
    blocks = (statement for statement in file.statements if isinstance(statement, tree.Block))
    written |= {block.kind.text for block in blocks if block.kind.text == "model"}
    snippets = {"aesm": "aesm = 1", "import": 'import $0 ""', "model": "model $0 {\n}"}
    for word, help in vocabulary.TOP_LEVEL.items():
        if word not in written:
            yield _Candidate(word, "setting" if word == "aesm" else "block", snippets[word], "", help)


def _statements(model: type[BlockModel], following: str, written: set[str]) -> Iterator[_Candidate]:
    """The settings and blocks that a block does not have yet."""
    for word, kind in model.kinds().items():
        if isinstance(kind, MembersKind):
            continue  # names of the user's own
        if isinstance(kind, BlockKind):
            if kind.many or word not in written:
                body = f"{word} $0 {{ }}" if kind.many else f"{word} {{ $0 }}"
                yield _Candidate(word, "block", word if following == "{" else body, "block", model.help_of(word))
        elif word not in written:
            insert = word if following == "=" else f"{word} = $0"
            yield _Candidate(word, "setting", insert, vocabulary.expected(kind), model.help_of(word))
    if model is Spec and TUNE not in written:
        yield _Candidate(TUNE, "block", TUNE if following == "{" else f"{TUNE} {{ $0 }}", "block", tune_block.HELP)


def _arguments(call: type[BlockModel], context: CursorContext) -> Iterator[_Candidate]:
    for word, kind in call.kinds().items():
        if word not in context.nests[-1].arguments and not isinstance(kind, BlockKind | MembersKind):
            insert = word if context.following == ":" else f"{word}: $0"
            yield _Candidate(word, "argument", insert, vocabulary.expected(kind), call.help_of(word))


def _values(kind: Kind, analysis: Analysis, context: CursorContext, offset: int) -> Iterator[_Candidate]:
    yield from _default(context)
    for alternative in vocabulary.alternatives(kind):
        match alternative:
            case kinds.ChoiceKind(choices):
                yield from (_Candidate(word, "word", word) for word in choices)
            case kinds.CallKind(models):
                for model in models:
                    name = model.call_name()
                    insert = name if context.following == "(" else f"{name}($0)"
                    yield _Candidate(name, "call", insert, "call", vocabulary.help_of(model))
            case kinds.ReferenceKind(to) if to == GROUP:
                yield from _groups(analysis)
            case kinds.ReferenceKind(to):
                for declared in _referable(to, collect_names(analysis.file), context, offset):
                    yield _Candidate(declared.name, to, declared.name, to, declared.title)


def _groups(analysis: Analysis) -> Iterator[_Candidate]:
    """What `use` may name: every import, and every group in it."""
    for name, imported in analysis.imports.items():
        if imported.groups is None or imported.name.text == NAMELESS:
            continue
        yield _Candidate(name, IMPORT, name, f"all of {imported.groups.file.source.path}")
        for group, block in imported.groups.by_name.items():
            yield _Candidate(f"{name}.{group}", GROUP, f"{name}.{group}", GROUP, documentation(block))


def _is_path(context: CursorContext) -> bool:
    """Whether the position is where the path of an import goes."""
    return not context.blocks and not context.key and bool(context.before) and context.before[0].text == IMPORT


def _paths(analysis: Analysis, token: Token) -> Iterator[Completion]:
    """The files that can be imported, each replacing what is between the quotes."""
    own = resolve_path(analysis.source.path)
    end = token.end - (len(token.text) > 1 and token.text.endswith('"'))
    for path in importable_paths(own.parent, own):
        yield Completion(path, "file", path, token.start + 1, end)


def _default(context: CursorContext) -> Iterator[_Candidate]:
    """The default of a setting or argument, if it is a number or a list: words and calls are listed in any case."""
    if context.nests and not context.nests[-1].call:
        return
    call = vocabulary.call_model(context)
    model, word = (
        (call, context.nests[-1].argument)
        if call is not None
        else (vocabulary.block_model(context.blocks), context.key)
    )
    kind = model.kinds().get(normalize(word)) if model is not None else None
    if model is None or kind is None or isinstance(kind, BlockKind | MembersKind):
        return
    default = model.model_fields[model.field_of(normalize(word))].default
    if isinstance(default, int | float | tuple) or isinstance(kind, kinds.QuantityKind):
        text = value_text(kind, default)
        yield _Candidate(text, "value", text, "the default")


def _referable(to: str, names: SpecNames, context: CursorContext, offset: int) -> Iterator[Declaration]:
    """The names that a reference may use: the nodes of the level above; for other nouns all but the one it is in."""
    if to == NODE:
        level = next((normalize(block.name) for block in context.blocks if block.kind == LEVEL), "")
        yield from names.of(NODE, names.above(level))
        return
    for declared in names.of(to):
        if not declared.statement.span.start <= offset <= declared.statement.span.end:
            yield declared


def _written(file: tree.File, offset: int) -> set[str]:
    """The words that the innermost block's statements have, except the statement at the position."""
    statements: tuple[tree.Statement, ...] = file.statements
    inside: tree.Statement | None = None
    while True:
        around = (statement for statement in statements if statement.span.start <= offset <= statement.span.end)
        inside = next(around, None)
        if not isinstance(inside, tree.Block) or not inside.head.end < offset < inside.span.end:
            break
        statements = inside.statements
    others = (statement for statement in statements if statement is not inside)
    return {other.key.text if isinstance(other, tree.Setting) else other.kind.text for other in others}
