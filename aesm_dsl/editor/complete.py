"""What may be written at a place: words of the language by context, units behind numbers, names where one is meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aesm_dsl.editor import tune_block, vocabulary
from aesm_dsl.editor.analysis import Analysis
from aesm_dsl.editor.cursor import Site, Token, site_at
from aesm_dsl.editor.names import GROUP, IMPORT, LEVEL, NODE, Declared, Names, names
from aesm_dsl.findings.diagnostic import normalize
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import Model
from aesm_dsl.spec.import_file import importable, place_of
from aesm_dsl.spec.kinds import Child, Kind, Members
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.places import NAMELESS
from aesm_dsl.spec.search_space import TUNE
from aesm_dsl.spec.write import value_text
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.tree import documentation


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that may be written, in place of the characters `start` to `end`.

    kind    setting, block, argument, call, word, unit, value, or the noun of a name
    insert  what is written: plain text, in which `$0` marks where the cursor goes
    detail  what may stand there, in a few words; `help` is its line of help
    """

    label: str
    kind: str
    insert: str
    start: int
    end: int
    detail: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class _Offer:
    """An item before it is known what it replaces."""

    label: str
    kind: str
    insert: str
    detail: str = ""
    help: str = ""


def complete(analysis: Analysis, offset: int) -> list[Item]:
    """Everything that fits at a place, in the order of the vocabulary.

    In a string that is the path of an import, the files there are; nothing in other strings and in comments.
    """
    site = site_at(analysis.source.text, offset)
    token = site.token
    if token is not None and token.kind == "string" and _is_path(site):
        return list(_paths(analysis, token))
    if token is not None and token.kind in ("string", "comment"):
        return []
    if token is not None and token.kind == "number" and token.start < offset:
        # `4096r`: the unit may follow right behind.
        return [_item(one, offset, offset) for one in _units(site, first=True)]
    start, end = (token.start, token.end) if token is not None and token.kind == "name" else (offset, offset)
    return [_item(one, start, end) for one in _offers(analysis, site, offset)]


def _item(offer: _Offer, start: int, end: int) -> Item:
    return Item(offer.label, offer.kind, offer.insert, start, end, offer.detail, offer.help)


def _offers(analysis: Analysis, site: Site, offset: int) -> Iterator[_Offer]:
    if tune_block.inside(site):
        yield from _searched(analysis, site, offset)
    elif site.before:
        yield from _units(site)
    elif not site.blocks and not site.key:
        yield from _top(analysis.file)
    elif (call := vocabulary.call_model(site)) is not None and not site.nests[-1].argument:
        yield from _arguments(call, site)
    elif (kind := vocabulary.value_kind(site)) is not None:
        yield from _values(kind, analysis, site, offset)
    elif not site.key and (model := vocabulary.block_model(site.blocks)) is not None:
        yield from _statements(model, site.following, _written(analysis.file, offset))


def _searched(analysis: Analysis, site: Site, offset: int) -> Iterator[_Offer]:
    """In `tune`: the paths of settings, and as their values what a search draws from, or the setting's own."""
    if site.key:
        names = bool(site.nests) and bool(site.nests[-1].call) and not site.nests[-1].argument
        if not site.before and not names and not tune_block.in_hole(site):
            yield from (_Offer(word, "call", f"{word}($0)", "", help) for word, help in tune_block.HOLES.items())
        yield from _offers(analysis, tune_block.at_home(site), offset)
    elif not site.before:
        written = _written(analysis.file, offset)
        for path, value in tune_block.paths(analysis).items():
            if path not in written:
                yield _Offer(path, "setting", path if site.following == "=" else f"{path} = $0", value)


def _units(site: Site, first: bool = False) -> Iterator[_Offer]:
    """The units of the number before the place; `first` says that the place touches it."""
    kind = vocabulary.value_kind(site)
    if kind is None or not (first or (len(site.before) == 1 and site.before[0].kind == "number")):
        return
    for unit, bounds in vocabulary.units(kind).items():
        yield _Offer(unit, "unit", f" {unit}" if first else unit, bounds)


def _top(file: tree.File) -> Iterator[_Offer]:
    stated = {one.key.text for one in file.statements if isinstance(one, tree.Setting)}
    stated |= {one.kind.text for one in file.statements if isinstance(one, tree.Block) and one.kind.text == "model"}
    snippets = {"aesm": "aesm = 1", "import": 'import $0 ""', "model": "model $0 {\n}"}
    for word, help in vocabulary.TOP.items():
        if word not in stated:
            yield _Offer(word, "setting" if word == "aesm" else "block", snippets[word], "", help)


def _statements(model: type[Model], following: str, written: set[str]) -> Iterator[_Offer]:
    """The settings and blocks of a block that it does not have yet."""
    for word, kind in model.kinds().items():
        if isinstance(kind, Members):
            continue  # names of the user's own
        if isinstance(kind, Child):
            if kind.many or word not in written:
                body = f"{word} $0 {{ }}" if kind.many else f"{word} {{ $0 }}"
                yield _Offer(word, "block", word if following == "{" else body, "block", model.help_of(word))
        elif word not in written:
            insert = word if following == "=" else f"{word} = $0"
            yield _Offer(word, "setting", insert, vocabulary.expected(kind), model.help_of(word))
    if model is Spec and TUNE not in written:
        yield _Offer(TUNE, "block", TUNE if following == "{" else f"{TUNE} {{ $0 }}", "block", tune_block.HELP)


def _arguments(call: type[Model], site: Site) -> Iterator[_Offer]:
    for word, kind in call.kinds().items():
        if word not in site.nests[-1].given and not isinstance(kind, Child | Members):
            insert = word if site.following == ":" else f"{word}: $0"
            yield _Offer(word, "argument", insert, vocabulary.expected(kind), call.help_of(word))


def _values(kind: Kind, analysis: Analysis, site: Site, offset: int) -> Iterator[_Offer]:
    yield from _default(site)
    for one in vocabulary.parts(kind):
        match one:
            case kinds.Choice(choices):
                yield from (_Offer(word, "word", word) for word in choices)
            case kinds.Call(models):
                for model in models:
                    name = model.call_name()
                    insert = name if site.following == "(" else f"{name}($0)"
                    yield _Offer(name, "call", insert, "call", vocabulary.help_of(model))
            case kinds.Reference(to) if to == GROUP:
                yield from _groups(analysis)
            case kinds.Reference(to):
                for meant in _meant(to, names(analysis.file), site, offset):
                    yield _Offer(meant.name, to, meant.name, to, meant.title)


def _groups(analysis: Analysis) -> Iterator[_Offer]:
    """What `use` may take: each import, and each group in it."""
    for name, one in analysis.imports.items():
        if one.groups is None or one.name.text == NAMELESS:
            continue
        yield _Offer(name, IMPORT, name, f"all of {one.groups.file.source.path}")
        for group, block in one.groups.by_name.items():
            yield _Offer(f"{name}.{group}", GROUP, f"{name}.{group}", GROUP, documentation(block))


def _is_path(site: Site) -> bool:
    """Whether the place stands where the path of an import goes."""
    return not site.blocks and not site.key and bool(site.before) and site.before[0].text == IMPORT


def _paths(analysis: Analysis, token: Token) -> Iterator[Item]:
    """The files that can be imported, in place of what stands between the quotes."""
    own = place_of(analysis.source.path)
    end = token.end - (len(token.text) > 1 and token.text.endswith('"'))
    for path in importable(own.parent, own):
        yield Item(path, "file", path, token.start + 1, end)


def _default(site: Site) -> Iterator[_Offer]:
    """The default of a setting or argument, if it is a number or a list: words and calls are offered in any case."""
    if site.nests and not site.nests[-1].call:
        return
    call = vocabulary.call_model(site)
    model, word = (
        (call, site.nests[-1].argument) if call is not None else (vocabulary.block_model(site.blocks), site.key)
    )
    kind = model.kinds().get(normalize(word)) if model is not None else None
    if model is None or kind is None or isinstance(kind, Child | Members):
        return
    default = model.model_fields[model.field_of(normalize(word))].default
    if isinstance(default, int | float | tuple) or isinstance(kind, kinds.Quantity):
        text = value_text(kind, default)
        yield _Offer(text, "value", text, "the default")


def _meant(to: str, found: Names, site: Site, offset: int) -> Iterator[Declared]:
    """The names that a reference at the site may name: nodes of the level above, else all but its own."""
    if to == NODE:
        level = next((normalize(one.name) for one in site.blocks if one.kind == LEVEL), "")
        yield from found.of(NODE, found.above(level))
        return
    for one in found.of(to):
        if not one.statement.span.start <= offset <= one.statement.span.end:
            yield one


def _written(file: tree.File, offset: int) -> set[str]:
    """The words of the innermost block's statements, as far as it can be read; that of the place itself aside."""
    statements: tuple[tree.Statement, ...] = file.statements
    inside: tree.Statement | None = None
    while True:
        around = (one for one in statements if one.span.start <= offset <= one.span.end)
        inside = next(around, None)
        if not isinstance(inside, tree.Block) or not inside.head.end < offset < inside.span.end:
            break
        statements = inside.statements
    return {one.key.text if isinstance(one, tree.Setting) else one.kind.text for one in statements if one is not inside}
