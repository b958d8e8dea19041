"""Hovering: the help of a word, the label and documentation of a name, and the value that a setting resolved to."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.editor import tune_block, vocabulary
from aesm_dsl.editor.analysis import Analysis
from aesm_dsl.editor.cursor import BlockHead, CursorContext, Token, context_at
from aesm_dsl.editor.definition import imported_group
from aesm_dsl.editor.names import FEATURE, GROUP, IMPORT, NODE, Declaration, collect_names, own_setting
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.findings.lookalike import normalize
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.block_model import BlockModel
from aesm_dsl.spec.kinds import BlockKind, MembersKind
from aesm_dsl.spec.load import load
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.search_space import TUNE
from aesm_dsl.spec.write import value_text
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.tree import documentation


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown about the characters from `start` to `end`."""

    text: str
    start: int
    end: int


def hover(analysis: Analysis, offset: int) -> Hover | None:
    """Returns what there is to say about the word at an offset; None for blanks, comments, strings, unknown words."""
    context = context_at(analysis.source.text, offset)
    token = context.token
    if token is None or token.kind not in ("name", "number"):
        return None
    names = collect_names(analysis.file)
    name = names.at(offset)
    if name is not None and (block := imported_group(analysis, name)) is not None:
        return Hover(_about_group(block), name.span.start, name.span.end)
    if name is not None and (declared := names.declaration_of(name)) is not None:
        return Hover(_about_name(analysis, declared, names.above(declared.within)), name.span.start, name.span.end)
    text = _about_word(analysis, context, token)
    return Hover(text, token.start, token.end) if text else None


def _about_name(analysis: Analysis, declared: Declaration, above: str) -> str:
    where = {NODE: f" of level `{declared.within}`", FEATURE: f" of group `{declared.within}`"}.get(declared.noun, "")
    title = f" — {declared.title}" if declared.title else ""
    lines = [f"{declared.noun} **{declared.name}**{where}{title}"]
    if text := documentation(declared.statement):
        lines.append(text)
    lines.append(f"```aesm\n{declared.statement.span.text.splitlines()[0].strip()}\n```")
    if declared.noun == NODE and above and own_setting(declared.statement, "under") is None:
        lines.append(f"- lies under every node of `{above}`")
    imported = analysis.imports.get(declared.name) if declared.noun == IMPORT else None
    if imported is not None and imported.groups is not None:
        groups = imported.groups.by_name.items()
        lines += [f"- `{declared.name}.{group}`: {_members(block)}" for group, block in groups]
    reasons = analysis.compiled.reasons if analysis.compiled is not None else {}
    paths = [path for path in reasons if path.rpartition(".")[0] == declared.path]
    values = _resolved_values(analysis) if paths else {}
    lines += [f"- `{path.rpartition('.')[2]}` is `{values[path]}`: {reasons[path]}" for path in paths]
    return "\n\n".join(lines)


def _about_group(block: tree.Block) -> str:
    """A feature group of another file: where it is declared, its documentation, and its features."""
    title = f" — {block.label.text}" if block.label else ""
    head = f"{GROUP} **{block.name.text if block.name else ''}**{title}, {block.span.source.path}:{block.span.line}"
    return "\n\n".join(filter(None, (head, documentation(block), _members(block))))


def _members(block: tree.Block) -> str:
    return ", ".join(f"`{setting.key.text}`" for setting in block.statements if isinstance(setting, tree.Setting))


def _about_word(analysis: Analysis, context: CursorContext, token: Token) -> str:
    if tune_block.in_tune_block(context):
        return _about_searched(analysis, context, token)
    model, call = vocabulary.block_model(context.blocks), vocabulary.call_model(context)
    if not context.blocks:
        return (
            _line(token.text, vocabulary.TOP_LEVEL[token.text])
            if not context.before and token.text in vocabulary.TOP_LEVEL
            else ""
        )
    if model is None:
        return ""
    if not context.key and not context.before:
        if context.following == "=":
            return _about_setting(analysis, model, CursorContext(context.blocks, token.text), token.text)
        return _about_block(analysis, model, context.blocks, token.text)
    if call is not None and context.following == ":":
        return _about_setting(analysis, call, None, token.text)
    kind = vocabulary.value_kind(context)
    if kind is None:
        return ""
    if context.before and token.text in (units := vocabulary.allowed_units(kind)):
        return _line(token.text, f"a number of {token.text}, {units[token.text]}")
    for alternative in vocabulary.alternatives(kind):
        for called in getattr(alternative, "models", ()):
            if called.call_name() == token.text:
                return _about_call(called)
    if call is not None:
        return _about_setting(analysis, call, None, context.nests[-1].argument)
    return _about_setting(analysis, model, context, context.key)


def _about_searched(analysis: Analysis, context: CursorContext, token: Token) -> str:
    """In the block `tune`: how a value is drawn, or the help of the setting whose path it is."""
    if context.key:
        if normalize(token.text) in tune_block.SEARCH_CALLS and not tune_block.in_search_call(context):
            return _line(f"{token.text}(...)", tune_block.SEARCH_CALLS[normalize(token.text)])
        return _about_word(analysis, tune_block.at_setting(context), token)
    setting = tune_block.at_setting(CursorContext(context.blocks, token.text))
    model = vocabulary.block_model(setting.blocks)
    return _about_setting(analysis, model, setting, setting.key) if model is not None else ""


def _about_setting(analysis: Analysis, model: type[BlockModel], context: CursorContext | None, word: str) -> str:
    """A setting or argument: its help, what may be written, its default, and the value it resolved to."""
    kind = vocabulary.setting_kind(model, word)
    if kind is None:
        return ""
    if normalize(word) not in model.kinds():
        return _line(word, vocabulary.expected(kind))  # a name of the user's own
    lines = [_line(word, model.help_of(normalize(word))), vocabulary.expected(kind) + _default(model, normalize(word))]
    if context is not None and (resolved := _resolved_value(analysis, vocabulary.path_of(context))):
        lines.append(resolved)
    return "\n\n".join(lines)


def _default(model: type[BlockModel], word: str) -> str:
    """The default, if the setting has one that can be written."""
    field = model.model_fields[model.field_of(word)]
    kind = model.kinds()[word]
    assert not isinstance(kind, BlockKind | MembersKind)
    if field.is_required():
        return " · must be written"
    optional = any(getattr(alternative, "words", ()) == ("none",) for alternative in vocabulary.alternatives(kind))
    return f" · default `{value_text(kind, field.default)}`" if field.default is not None or optional else ""


def _about_block(analysis: Analysis, model: type[BlockModel], blocks: tuple[BlockHead, ...], word: str) -> str:
    known = model.kinds().get(word)
    if model is Spec and word == TUNE:
        return _line(word, tune_block.HELP)
    if not isinstance(known, BlockKind):
        return ""
    inner = vocabulary.block_model((*blocks, BlockHead(word)))
    assert inner is not None
    number = "any number of them, each with a name" if known.many else "at most one"
    lines = [_line(word, model.help_of(word)), vocabulary.help_of(inner), number]
    return "\n\n".join(lines)


def _about_call(called: type[BlockModel]) -> str:
    arguments = [f"- `{word}`: {called.help_of(word)}" for word in called.kinds()]
    return "\n\n".join([_line(f"{called.call_name()}(...)", vocabulary.help_of(called)), "\n".join(arguments)]).rstrip()


def _line(word: str, help: str) -> str:
    return f"**{word}** — {help}"


def _resolved_value(analysis: Analysis, path: str) -> str:
    """The value of a setting that is left to aesm, and why; empty if the spec writes it, or has mistakes."""
    if analysis.compiled is None:
        return ""
    reasons = analysis.compiled.reasons
    if path in reasons:
        return f"here `{_resolved_values(analysis)[path]}`: {reasons[path].removeprefix('auto: ')}"
    if not path.startswith("experts."):
        return ""
    # The model's default: its value in every level that writes no other.
    own = analysis.compiled.spec.places.values
    paths = [full for full in reasons if full.endswith(f".{path}") and full not in own]
    values = _resolved_values(analysis) if paths else {}
    lines = [f"`{values[full]}`: {reasons[full].removeprefix('auto: ')}" for full in paths]
    return "\n".join(f"- in `{full.removesuffix(f'.{path}')}` {line}" for full, line in zip(paths, lines, strict=True))


def _resolved_values(analysis: Analysis) -> dict[str, str]:
    """The value of every setting in the resolved spec, as it is written there."""
    assert analysis.compiled is not None
    spec = load(Source("<resolved>", analysis.compiled.resolved()), Findings())
    assert spec is not None
    return {path: span.text for path, span in spec.places.values.items()}
