"""Tree value -> Python value, by the kind of its setting; every way it can be wrong has its sentence here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from aesm_dsl.diagnostic import Findings, Related, did_you_mean, fold, quoted
from aesm_dsl.source import Span
from aesm_dsl.spec import kind as kinds
from aesm_dsl.spec.block import Model
from aesm_dsl.spec.kind import Kind, bounds, describe, within
from aesm_dsl.spec.places import Places
from aesm_dsl.syntax import tree


class Wrong(Exception):  # noqa: N818 - not an error: control flow within this room
    """The value cannot be used, and why has been told."""


class Values:
    """Reads values; remembers their places, tells what is wrong with them."""

    def __init__(self, findings: Findings, places: Places, damaged: tuple[Span, ...]) -> None:
        self.findings = findings
        self.places = places
        self.damaged = damaged

    def lost(self, span: Span) -> bool:
        """Whether the text at the place was damaged by a mistake that has been told already."""
        return any(one.source is span.source and one.start < span.end and span.start < one.end for one in self.damaged)

    def lost_words(self, span: Span) -> set[str]:
        """The words in the damaged text within the place."""
        inside = (one for one in self.damaged if one.source is span.source)
        inside = (one for one in inside if one.start < span.end and span.start < one.end)
        return {word for one in inside for word in re.findall(r"\w+", one.text)}

    def tell(self, code: str, message: str, span: Span, **more: Any) -> None:
        """Adds a finding, unless its place is damaged."""
        if not self.lost(span):
            self.findings.add(code, message, span, **more)

    def read(self, kind: Kind, value: tree.Value, what: str, path: str) -> Any:
        """The Python value, or Wrong. `what` is the setting's name for the sentences."""
        match kind:
            case kinds.Optional(of):
                nothing = isinstance(value, tree.Word) and value.text.casefold() in _NOTHING
                if nothing and not isinstance(of, kinds.Name):
                    self.wrong_type(kind, value, what, help="write `none`")
                return None if _is_word(value, "none") else self.read(of, value, what, path)
            case kinds.Auto(of):
                return "auto" if _is_word(value, "auto") else self.read(of, value, what, path)
            case kinds.Either(options):
                calls = isinstance(value, tree.Call)
                fitting = [each for each in options if isinstance(each, kinds.Call) == calls]
                return self.read((fitting or options)[0], value, what, path)
            case kinds.Many(of, least, single):
                return self._many(of, least, single, value, what, path)
            case kinds.Call(models):
                return self._call({model.call_name(): model for model in models}, value, what, path)
            case kinds.Choice(words):
                return self._choice(words, value, what)
            case kinds.Quantity(units):
                return self._quantity(units, value, what)
            case kinds.Integer() | kinds.Real() | kinds.Share():
                return self._number(kind, value, what)
            case kinds.Name():
                if isinstance(value, tree.Word):
                    return fold(value.text)
                if isinstance(value, tree.Text):
                    return value.text
            case kinds.Reference():
                if isinstance(value, tree.Word):
                    return fold(value.text)
                if isinstance(value, tree.Text):
                    self.wrong_type(kind, value, what, help=f"refer by name, without quotes: `{value.text}`")
            case kinds.Text():
                if isinstance(value, tree.Text):
                    return value.text
                if isinstance(value, tree.Word):
                    self.wrong_type(kind, value, what, help=f'write it in quotes: `"{value.text}"`')
            case kinds.Literal():
                if isinstance(value, tree.Text):
                    return value.text
                if isinstance(value, tree.Number) and not value.unit:
                    return self._finite(value, what)
                if isinstance(value, tree.Word):
                    self.wrong_type(kind, value, what, help=f'write it in quotes: `"{value.text}"`')
        return self.wrong_type(kind, value, what)

    def wrong_type(self, kind: Kind, value: tree.Value, what: str, help: str = "") -> Any:
        self.tell(
            "E301",
            f"`{what}` must be {describe(kind)}",
            value.span,
            label=f"this is {_seen(value)}",
            help=help,
        )
        raise Wrong

    def _many(self, of: Kind, least: int, single: bool, value: tree.Value, what: str, path: str) -> tuple[Any, ...]:
        if not isinstance(value, tree.List):
            if not single:
                shown = value.span.text if isinstance(value, tree.Number | tree.Word | tree.Text) else "..."
                self.wrong_type(kinds.Many(of), value, what, help=f"a list stands in brackets: `[{shown}]`")
            return (self.read(of, value, what, path),)
        items, sound = [], True
        for position, item in enumerate(value.items):
            self.places.values[f"{path}.{position}"] = item.span
            try:
                items.append(self.read(of, item, what, path))
            except Wrong:
                sound = False
        if not sound:
            raise Wrong
        if len(items) < least:
            self.tell("E302", f"`{what}` needs at least {least} value{'s' * (least > 1)}", value.span, label="empty")
            raise Wrong
        return tuple(items)

    def _choice(self, words: tuple[str, ...], value: tree.Value, what: str) -> str:
        if isinstance(value, tree.Word) and value.text in words:
            return value.text
        if isinstance(value, tree.Word | tree.Text):
            self.tell(
                "E306",
                f"`{what}` cannot be `{value.text}`",
                value.span,
                label=f"expected {describe(kinds.Choice(words))}",
                help=did_you_mean(value.text, words),
            )
            raise Wrong
        return str(self.wrong_type(kinds.Choice(words), value, what))

    def _quantity(
        self, units: Mapping[str, kinds.Integer | kinds.Real], value: tree.Value, what: str
    ) -> dict[str, Any]:
        if not isinstance(value, tree.Number):
            self.wrong_type(kinds.Quantity(units), value, what)
        assert isinstance(value, tree.Number)
        unit = self._unit(tuple(units), value, what)
        return {"value": self._amount(units[unit], value, what), "unit": unit}

    def _number(self, kind: kinds.Integer | kinds.Real | kinds.Share, value: tree.Value, what: str) -> int | float:
        if not isinstance(value, tree.Number):
            self.wrong_type(kind, value, what)
        assert isinstance(value, tree.Number)
        unit = kind.unit if isinstance(kind, kinds.Integer) else None
        if unit:
            self._unit((unit,), value, what)
        elif value.unit:
            self.tell(
                "E305",
                f"`{what}` takes no unit",
                value.unit.span,
                label="not needed",
                help=f"write `{value.digits.text}{'%' * (value.unit.text.casefold() in _PERCENT)}`",
            )
            raise Wrong
        return self._amount(kind, value, what)

    def _unit(self, units: tuple[str, ...], value: tree.Number, what: str) -> str:
        wanted = " or ".join(f"`{unit}`" for unit in units)
        if value.unit is None:
            example = " or ".join(f"`{value.span.text} {unit}`" for unit in units)
            self.tell(
                "E304", f"`{what}` needs a unit", value.span, label=f"{wanted} is missing", help=f"write {example}"
            )
            raise Wrong
        if value.unit.text not in units:
            self.tell(
                "E303",
                f"`{what}` is not measured in `{value.unit.text}`",
                value.unit.span,
                label=f"expected {wanted}",
                help=did_you_mean(value.unit.text, units),
            )
            raise Wrong
        return value.unit.text

    def _amount(self, kind: kinds.Integer | kinds.Real | kinds.Share, value: tree.Number, what: str) -> int | float:
        number = value.value
        whole = isinstance(kind, kinds.Integer)
        may_be_percent = isinstance(kind, kinds.Share) or (isinstance(kind, kinds.Real) and kind.most == 1)
        if value.percent and not may_be_percent:
            self.tell("E301", f"`{what}` must be {describe(kind)}", value.digits, label="this is a percentage")
            raise Wrong
        if whole and math.isfinite(number) and number != int(number):
            self.tell("E301", f"`{what}` must be {describe(kind)}", value.digits, label="this is not whole")
            raise Wrong
        if not within(kind, number):
            percent = (
                f"did you mean `{number:g}%`?" if may_be_percent and 1 < number <= 100 and not value.percent else ""
            )
            self.tell("E302", f"`{what}` must be {bounds(kind)}", value.digits, label="out of range", help=percent)
            raise Wrong
        return int(number) if whole else float(number)

    def _finite(self, value: tree.Number, what: str) -> int | float:
        if not math.isfinite(value.value):
            self.tell("E302", f"`{what}` is too large a number", value.span, label="out of range")
            raise Wrong
        return value.value

    def _call(self, models: dict[str, type[Model]], value: tree.Value, what: str, path: str) -> dict[str, Any]:
        kind = kinds.Call(tuple(models.values()))
        given: tuple[tree.Argument, ...] = ()
        if isinstance(value, tree.Word):
            name = value
        elif isinstance(value, tree.Call):
            name, given = value.name, value.arguments
        else:
            self.wrong_type(kind, value, what)
            raise Wrong
        model = models.get(name.text)
        if model is None:
            self.tell(
                "E210",
                f"`{what}` cannot be `{name.text}`",
                name.span,
                label=f"expected {describe(kind)}",
                help=did_you_mean(name.text, models),
            )
            raise Wrong
        return {"call": name.text, **self._arguments(model, name, given, value, path)}

    def _arguments(
        self, model: type[Model], name: tree.Word, given: tuple[tree.Argument, ...], value: tree.Value, path: str
    ) -> dict[str, Any]:
        known, found, sound = model.kinds(), {}, True
        first: dict[str, tree.Word] = {}
        for argument in given:
            word = argument.name
            if word is None:
                names = list(known)
                self.tell(
                    "E211",
                    f"the arguments of `{name.text}` are named",
                    argument.span,
                    label="without a name",
                    help=f"write `{names[0]}: {argument.span.text}`"
                    if len(names) == 1
                    else f"its arguments are {quoted(names)}",
                )
            elif word.text not in known:
                self.tell(
                    "E211",
                    f"`{name.text}` has no argument `{word.text}`",
                    word.span,
                    label="not known",
                    help=[
                        did_you_mean(word.text, known),
                        f"its arguments are {quoted(known)}" if known else "it has none",
                    ],
                )
            elif word.text in first:
                second = Related(first[word.text].span, "first given here")
                self.tell("E205", f"`{word.text}` is given twice", word.span, label="again", second=second)
            else:
                first[word.text] = word
                argument_path = f"{path}.{word.text}"
                self.places.values[argument_path] = argument.value.span
                self.places.keys[argument_path] = word.span
                kind = known[word.text]
                assert not isinstance(kind, kinds.Child | kinds.Members)
                try:
                    found[model.field_of(word.text)] = self.read(kind, argument.value, word.text, argument_path)
                    continue
                except Wrong:
                    pass
            sound = False
        missing = [w for w in known if w not in first and model.model_fields[model.field_of(w)].is_required()]
        if missing and sound:
            self.tell(
                "E307",
                f"`{name.text}` needs {quoted(missing)}",
                value.span,
                label="missing here",
                help=[f"`{word}`: {model.help_of(word)}" for word in missing],
            )
            sound = False
        if not sound:
            raise Wrong
        return found


_PERCENT = ("percent", "pct")
_NOTHING = ("false", "no", "off", "null", "nil")


def _is_word(value: tree.Value, word: str) -> bool:
    return isinstance(value, tree.Word) and value.text == word


def _seen(value: tree.Value) -> str:
    match value:
        case tree.Word():
            return "a name"
        case tree.Text():
            return "a string"
        case tree.Number():
            return "a number"
        case tree.List():
            return "a list"
        case tree.Call():
            return "a call"
