"""Numbers: their units, their ranges, and what is wrong with them in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aesm_dsl.diagnostic import did_you_mean
from aesm_dsl.spec import kind as kinds
from aesm_dsl.spec.kind import bounds, describe, within
from aesm_dsl.spec.teller import Teller
from aesm_dsl.syntax import tree

_PERCENT = ("percent", "pct")


def quantity(
    teller: Teller, units: Mapping[str, kinds.Integer | kinds.Real], value: tree.Value, what: str
) -> dict[str, Any]:
    """The `value` and `unit` of a number with one of several units, or Wrong."""
    if not isinstance(value, tree.Number):
        raise teller.wrong_type(kinds.Quantity(units), value, what)
    unit = _unit(teller, tuple(units), value, what)
    return {"value": _amount(teller, units[unit], value, what), "unit": unit}


def number(teller: Teller, kind: kinds.Integer | kinds.Real | kinds.Share, value: tree.Value, what: str) -> int | float:
    """The number, in range and with the unit that its kind asks for, or Wrong."""
    if not isinstance(value, tree.Number):
        raise teller.wrong_type(kind, value, what)
    unit = kind.unit if isinstance(kind, kinds.Integer) else None
    if unit:
        _unit(teller, (unit,), value, what)
    elif value.unit:
        raise teller.wrong(
            "E305",
            f"`{what}` takes no unit",
            value.unit.span,
            label="not needed",
            help=f"write `{value.digits.text}{'%' * (value.unit.text.casefold() in _PERCENT)}`",
        )
    return _amount(teller, kind, value, what)


def _unit(teller: Teller, units: tuple[str, ...], value: tree.Number, what: str) -> str:
    wanted = " or ".join(f"`{unit}`" for unit in units)
    if value.unit is None:
        example = " or ".join(f"`{value.span.text} {unit}`" for unit in units)
        raise teller.wrong(
            "E304", f"`{what}` needs a unit", value.span, label=f"{wanted} is missing", help=f"write {example}"
        )
    if value.unit.text not in units:
        raise teller.wrong(
            "E303",
            f"`{what}` is not measured in `{value.unit.text}`",
            value.unit.span,
            label=f"expected {wanted}",
            help=did_you_mean(value.unit.text, units),
        )
    return value.unit.text


def _amount(
    teller: Teller, kind: kinds.Integer | kinds.Real | kinds.Share, value: tree.Number, what: str
) -> int | float:
    number = value.value
    whole = isinstance(kind, kinds.Integer)
    may_be_percent = isinstance(kind, kinds.Share) or (isinstance(kind, kinds.Real) and kind.most == 1)
    if value.percent and not may_be_percent:
        raise teller.wrong("E301", f"`{what}` must be {describe(kind)}", value.digits, label="this is a percentage")
    if whole and math.isfinite(number) and number != int(number):
        raise teller.wrong("E301", f"`{what}` must be {describe(kind)}", value.digits, label="this is not whole")
    if not within(kind, number):
        percent = f"did you mean `{number:g}%`?" if may_be_percent and 1 < number <= 100 and not value.percent else ""
        raise teller.wrong("E302", f"`{what}` must be {bounds(kind)}", value.digits, label="out of range", help=percent)
    return int(number) if whole else float(number)


def finite(teller: Teller, value: tree.Number, what: str) -> int | float:
    """A number of any size that a float can hold, or Wrong."""
    if not math.isfinite(value.value):
        raise teller.wrong("E302", f"`{what}` is too large a number", value.span, label="out of range")
    return value.value
