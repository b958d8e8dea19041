"""The reference of the language, made from its vocabulary: docs/language.md below the tour."""

from __future__ import annotations

from collections.abc import Iterator

from aesm_dsl.editor.vocabulary import TOP, expected, help_of, parts
from aesm_dsl.spec import kinds
from aesm_dsl.spec.block_model import Model, model_of
from aesm_dsl.spec.kinds import Child, Kind, Members
from aesm_dsl.spec.model import Spec
from aesm_dsl.spec.write import value_text


def reference() -> str:
    """Every block with its settings, then every call with its arguments."""
    lines = ["Outside the model:", "", "| | |", "|---|---|"]
    lines += [f"| `{word}` | {help} |" for word, help in TOP.items()]
    calls: dict[str, type[Model]] = {}
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


def _blocks() -> Iterator[tuple[str, type[Model], str]]:
    """Heading, vocabulary and place of every kind of block, from the outside in; `experts` once."""
    pending: list[tuple[str, type[Model], list[str]]] = [("model", Spec, [])]
    places: dict[type[Model], list[str]] = {}
    found: dict[type[Model], str] = {}
    while pending:
        word, model, above = pending.pop(0)
        places.setdefault(model, []).extend(above)
        if model in found:
            continue
        found[model] = word
        for inner, kind in model.kinds().items():
            if isinstance(kind, Child):
                pending.append((inner, model_of(model, model.field_of(inner)), [word]))
    for model, word in found.items():
        inside = ", ".join(f"`{one}`" for one in dict.fromkeys(places[model]))
        yield f"`{word}`", model, f"Stands in {inside}. " if inside else ""


def _table(model: type[Model], what: str) -> list[str]:
    rows = [f"| {what} | value | default | |", "|---|---|---|---|"]
    for word, kind in model.kinds().items():
        help = model.help_of(word)
        if isinstance(kind, Child):
            many = "blocks, each with a name" if kind.many else "a block"
            rows.append(f"| [`{word}`](#{word}) | {many} | | {help} |")
        elif isinstance(kind, Members):
            rows.append(f"| a name of your own | {_escape(expected(kind.of))} | | {help} |")
        else:
            rows.append(f"| `{word}` | {_escape(expected(kind))} | {_default(model, word, kind)} | {_escape(help)} |")
    return rows


def _default(model: type[Model], word: str, kind: Kind) -> str:
    field = model.model_fields[model.field_of(word)]
    if field.is_required():
        return "must be written"
    optional = any(getattr(one, "words", ()) == ("none",) for one in parts(kind))
    return f"`{value_text(kind, field.default)}`" if field.default is not None or optional else ""


def _called(kind: Kind | Child | Members) -> Iterator[type[Model]]:
    """The calls that a value of the kind may be, and those in their arguments."""
    if isinstance(kind, Child):
        return
    for one in parts(kind.of if isinstance(kind, Members) else kind):
        for called in one.models if isinstance(one, kinds.Call) else ():
            yield called
            for inner in called.kinds().values():
                yield from _called(inner)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
