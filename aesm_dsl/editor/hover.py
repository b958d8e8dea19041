"""What is shown over a place: the help of a word, the label and documentation of a name, and what a value came to."""

from __future__ import annotations

from dataclasses import dataclass

from aesm_dsl.editor import tune_block, vocabulary
from aesm_dsl.editor.analysis import Analysis
from aesm_dsl.editor.cursor import Head, Site, Token, site_at
from aesm_dsl.editor.definition import group_abroad
from aesm_dsl.editor.names import FEATURE, GROUP, IMPORT, NODE, Declared, given, names
from aesm_dsl.findings.diagnostic import Findings, normalize
from aesm_dsl.findings.source import Source
from aesm_dsl.spec.block_model import Model
from aesm_dsl.spec.kinds import Child, Members
from aesm_dsl.spec.load import load
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.search_space import TUNE
from aesm_dsl.spec.write import value_text
from aesm_dsl.syntax import tree
from aesm_dsl.syntax.tree import documentation


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown, and the characters `start` to `end` that it is about."""

    text: str
    start: int
    end: int


def hover(analysis: Analysis, offset: int) -> Hover | None:
    """What there is to say about the word at a place; None about blanks, comments, strings and unknown words."""
    site = site_at(analysis.source.text, offset)
    token = site.token
    if token is None or token.kind not in ("name", "number"):
        return None
    found = names(analysis.file)
    name = found.at(offset)
    if name is not None and (block := group_abroad(analysis, name)) is not None:
        return Hover(_about_group(block), name.place.start, name.place.end)
    if name is not None and (declared := found.meant(name)) is not None:
        return Hover(_about_name(analysis, declared, found.above(declared.within)), name.place.start, name.place.end)
    text = _about_word(analysis, site, token)
    return Hover(text, token.start, token.end) if text else None


def _about_name(analysis: Analysis, declared: Declared, above: str) -> str:
    where = {NODE: f" of level `{declared.within}`", FEATURE: f" of group `{declared.within}`"}.get(declared.noun, "")
    title = f" — {declared.title}" if declared.title else ""
    lines = [f"{declared.noun} **{declared.name}**{where}{title}"]
    if said := documentation(declared.statement):
        lines.append(said)
    lines.append(f"```aesm\n{declared.statement.span.text.splitlines()[0].strip()}\n```")
    if declared.noun == NODE and above and given(declared.statement, "under") is None:
        lines.append(f"- lies under every node of `{above}`")
    asked = analysis.imports.get(declared.name) if declared.noun == IMPORT else None
    if asked is not None and asked.groups is not None:
        lines += [f"- `{declared.name}.{one}`: {_members(block)}" for one, block in asked.groups.by_name.items()]
    reasons = analysis.compiled.reasons if analysis.compiled is not None else {}
    paths = [one for one in reasons if one.rpartition(".")[0] == declared.path]
    values = _resolved_values(analysis) if paths else {}
    lines += [f"- `{one.rpartition('.')[2]}` is `{values[one]}`: {reasons[one]}" for one in paths]
    return "\n\n".join(lines)


def _about_group(block: tree.Block) -> str:
    """A feature group of another file: where it stands, what it says of itself, and its features."""
    title = f" — {block.label.text}" if block.label else ""
    head = f"{GROUP} **{block.name.text if block.name else ''}**{title}, {block.span.source.path}:{block.span.line}"
    return "\n\n".join(filter(None, (head, documentation(block), _members(block))))


def _members(block: tree.Block) -> str:
    return ", ".join(f"`{one.key.text}`" for one in block.statements if isinstance(one, tree.Setting))


def _about_word(analysis: Analysis, site: Site, token: Token) -> str:
    if tune_block.inside(site):
        return _about_searched(analysis, site, token)
    model, call = vocabulary.block_model(site.blocks), vocabulary.call_model(site)
    if not site.blocks:
        return _line(token.text, vocabulary.TOP[token.text]) if not site.before and token.text in vocabulary.TOP else ""
    if model is None:
        return ""
    if not site.key and not site.before:
        if site.following == "=":
            return _about_setting(analysis, model, Site(site.blocks, token.text), token.text)
        return _about_block(analysis, model, site.blocks, token.text)
    if call is not None and site.following == ":":
        return _about_setting(analysis, call, None, token.text)
    kind = vocabulary.value_kind(site)
    if kind is None:
        return ""
    if site.before and token.text in (units := vocabulary.units(kind)):
        return _line(token.text, f"a number of {token.text}, {units[token.text]}")
    for one in vocabulary.parts(kind):
        for called in getattr(one, "models", ()):
            if called.call_name() == token.text:
                return _about_call(called)
    if call is not None:
        return _about_setting(analysis, call, None, site.nests[-1].argument)
    return _about_setting(analysis, model, site, site.key)


def _about_searched(analysis: Analysis, site: Site, token: Token) -> str:
    """In `tune`: what draws a value, or what the setting says of itself where it stands."""
    if site.key:
        if normalize(token.text) in tune_block.HOLES and not tune_block.in_hole(site):
            return _line(f"{token.text}(...)", tune_block.HOLES[normalize(token.text)])
        return _about_word(analysis, tune_block.at_home(site), token)
    home = tune_block.at_home(Site(site.blocks, token.text))
    model = vocabulary.block_model(home.blocks)
    return _about_setting(analysis, model, home, home.key) if model is not None else ""


def _about_setting(analysis: Analysis, model: type[Model], site: Site | None, word: str) -> str:
    """A setting or argument: its help, what may be written, its default, and what it came to."""
    kind = vocabulary.setting_kind(model, word)
    if kind is None:
        return ""
    if normalize(word) not in model.kinds():
        return _line(word, vocabulary.expected(kind))  # a name of the user's own
    lines = [_line(word, model.help_of(normalize(word))), vocabulary.expected(kind) + _default(model, normalize(word))]
    if site is not None and (came_to := _came_to(analysis, vocabulary.path_of(site))):
        lines.append(came_to)
    return "\n\n".join(lines)


def _default(model: type[Model], word: str) -> str:
    """The default, if the setting has one that can be written."""
    field = model.model_fields[model.field_of(word)]
    kind = model.kinds()[word]
    assert not isinstance(kind, Child | Members)
    if field.is_required():
        return " · must be written"
    optional = any(getattr(one, "words", ()) == ("none",) for one in vocabulary.parts(kind))
    return f" · default `{value_text(kind, field.default)}`" if field.default is not None or optional else ""


def _about_block(analysis: Analysis, model: type[Model], blocks: tuple[Head, ...], word: str) -> str:
    known = model.kinds().get(word)
    if model is Spec and word == TUNE:
        return _line(word, tune_block.HELP)
    if not isinstance(known, Child):
        return ""
    inner = vocabulary.block_model((*blocks, Head(word)))
    assert inner is not None
    number = "any number of them, each with a name" if known.many else "at most one"
    lines = [_line(word, model.help_of(word)), vocabulary.help_of(inner), number]
    return "\n\n".join(lines)


def _about_call(called: type[Model]) -> str:
    arguments = [f"- `{word}`: {called.help_of(word)}" for word in called.kinds()]
    return "\n\n".join([_line(f"{called.call_name()}(...)", vocabulary.help_of(called)), "\n".join(arguments)]).rstrip()


def _line(word: str, help: str) -> str:
    return f"**{word}** — {help}"


def _came_to(analysis: Analysis, path: str) -> str:
    """What a setting left to aesm came to, and why; empty for one that says its value, or in a spec with mistakes."""
    if analysis.compiled is None:
        return ""
    reasons = analysis.compiled.reasons
    if path in reasons:
        return f"here `{_resolved_values(analysis)[path]}`: {reasons[path].removeprefix('auto: ')}"
    if not path.startswith("experts."):
        return ""
    # The model's default: what it came to in every level that says nothing else.
    own = analysis.compiled.spec.places.values
    paths = [one for one in reasons if one.endswith(f".{path}") and one not in own]
    values = _resolved_values(analysis) if paths else {}
    told = [f"`{values[one]}`: {reasons[one].removeprefix('auto: ')}" for one in paths]
    return "\n".join(f"- in `{one.removesuffix(f'.{path}')}` {line}" for one, line in zip(paths, told, strict=True))


def _resolved_values(analysis: Analysis) -> dict[str, str]:
    """Every setting's value in the resolved spec, as it is written there."""
    assert analysis.compiled is not None
    spec = load(Source("<resolved>", analysis.compiled.resolved()), Findings())
    assert spec is not None
    return {path: span.text for path, span in spec.places.values.items()}
