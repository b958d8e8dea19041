"""The reference of the language, made from its vocabulary: docs/language.md below the tour."""

from __future__ import annotations

from collections.abc import Iterator

from aesm_dsl.editor.vocabulary import TOP_LEVEL, alternatives, expected, help_of
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import BlockModel, child_model
from aesm_dsl.spec.kinds import BlockKind, Kind, MembersKind
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.write import value_text


def reference() -> str:
    """Every block with its settings, then every call with its arguments."""
    lines = ["Outside the model:", "", "| | |", "|---|---|"]
    lines += [f"| `{word}` | {help} |" for word, help in TOP_LEVEL.items()]
    calls: dict[str, type[BlockModel]] = {}
    for heading, model, where in _blocks():
        lines += ["", f"### {heading}", "", where + help_of(model), ""]
        lines += _table(model, "setting")
        for kind in model.kinds().values():
            calls |= {one.call_name(): one for one in _called(kind)}
    lines += [
        "",
        "## Calls",
        "",
        "A call is a value, written `name(argument: value, ...)`; without arguments the name alone will do.",
    ]
    for name, called in sorted(calls.items()):
        lines += ["", f"### `{name}(...)`" if called.kinds() else f"### `{name}`", "", help_of(called)]
        lines += ["", *_table(called, "argument")] if called.kinds() else []
    return "\n".join(lines) + "\n"


def _blocks() -> Iterator[tuple[str, type[BlockModel], str]]:
    """Heading, vocabulary and place of every kind of block, from the outside in; `experts` once."""
    pending: list[tuple[str, type[BlockModel], list[str]]] = [("model", Spec, [])]
    places: dict[type[BlockModel], list[str]] = {}
    found: dict[type[BlockModel], str] = {}
    while pending:
        word, model, above = pending.pop(0)
        places.setdefault(model, []).extend(above)
        if model in found:
            continue
        found[model] = word
        for inner, kind in model.kinds().items():
            if isinstance(kind, BlockKind):
                pending.append((inner, child_model(model, model.field_of(inner)), [word]))
    for model, word in found.items():
        inside = ", ".join(f"`{one}`" for one in dict.fromkeys(places[model]))
        yield f"`{word}`", model, f"Stands in {inside}. " if inside else ""


def _table(model: type[BlockModel], what: str) -> list[str]:
    rows = [f"| {what} | value | default | |", "|---|---|---|---|"]
    for word, kind in model.kinds().items():
        help = model.help_of(word)
        if isinstance(kind, BlockKind):
            many = "blocks, each with a name" if kind.many else "a block"
            rows.append(f"| [`{word}`](#{word}) | {many} | | {help} |")
        elif isinstance(kind, MembersKind):
            rows.append(f"| a name of your own | {_escape(expected(kind.of))} | | {help} |")
        else:
            rows.append(f"| `{word}` | {_escape(expected(kind))} | {_default(model, word, kind)} | {_escape(help)} |")
    return rows


def _default(model: type[BlockModel], word: str, kind: Kind) -> str:
    field = model.model_fields[model.field_of(word)]
    if field.is_required():
        return "must be written"
    optional = any(getattr(one, "words", ()) == ("none",) for one in alternatives(kind))
    return f"`{value_text(kind, field.default)}`" if field.default is not None or optional else ""


def _called(kind: Kind | BlockKind | MembersKind) -> Iterator[type[BlockModel]]:
    """The calls that a value of the kind may be, and those in their arguments."""
    if isinstance(kind, BlockKind):
        return
    for one in alternatives(kind.of if isinstance(kind, MembersKind) else kind):
        for called in one.models if isinstance(one, kinds.CallKind) else ():
            yield called
            for inner in called.kinds().values():
                yield from _called(inner)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
