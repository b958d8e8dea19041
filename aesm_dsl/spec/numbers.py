"""Numbers: their units, their ranges, and what is wrong with them in words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from aesm_dsl.findings.diagnostic import Help, nearest_name, suggest
from aesm_dsl.findings.fix import join_with_or, replacement, replacements
from aesm_dsl.spec import kinds
from aesm_dsl.spec.kinds import describe, describe_range, in_range
from aesm_dsl.spec.value_errors import ExpectedValue, SpecReporter
from aesm_dsl.syntax import tree

Numeric = kinds.IntegerKind | kinds.RealKind | kinds.ShareKind

_PERCENT = ("percent", "pct")
_SUFFIXES = {"K": "k", "m": "M", "g": "B", "G": "B", "b": "B"}
_SUFFIXES |= {"thousand": "k", "million": "M", "millions": "M", "mn": "M", "billion": "B", "bn": "B"}
"""What is written for the suffixes of numbers, and the suffix that is meant."""

_TIMES = {"万": 10_000, "萬": 10_000, "亿": 100_000_000, "億": 100_000_000}


def read_quantity(
    teller: SpecReporter, units: Mapping[str, Numeric], value: tree.Value, asked: ExpectedValue
) -> dict[str, Any]:
    """The `value` and `unit` of a number with one of several units, or Wrong."""
    if not isinstance(value, tree.Number):
        raise teller.wrong_type(value, asked)
    unit = _unit(teller, tuple(units), value, asked)
    return {"value": _amount(teller, units[unit], value, asked), "unit": unit}


def read_number(teller: SpecReporter, kind: Numeric, value: tree.Value, asked: ExpectedValue) -> int | float:
    """The number, in range and with the unit that its kind asks for, or Wrong."""
    if not isinstance(value, tree.Number):
        raise teller.wrong_type(value, asked)
    unit = kind.unit if isinstance(kind, kinds.IntegerKind) else None
    if unit:
        _unit(teller, (unit,), value, asked)
    elif value.unit:
        raise teller.wrong(
            "E305",
            f"{asked.name} takes no unit",
            value.unit.span,
            label="not needed",
            help=replacement(_without_unit(value, value.unit), value.span),
        )
    return _amount(teller, kind, value, asked)


def _without_unit(value: tree.Number, unit: tree.Word) -> str:
    """The number as it may have been meant: with `%`, a suffix, or in other figures."""
    if unit.text in _TIMES and (times := value.value * _TIMES[unit.text]) == int(times):
        return f"{int(times):_}"
    if re.fullmatch(r"0[xX][0-9a-fA-F]+", value.span.text):
        return str(int(value.span.text, 16))
    sign = "%" if unit.text.casefold() in _PERCENT else _SUFFIXES.get(unit.text, "")
    return f"{value.digits.text}{sign}"


def _unit(teller: SpecReporter, units: tuple[str, ...], value: tree.Number, asked: ExpectedValue) -> str:
    wanted = join_with_or(f"`{unit}`" for unit in units)
    if value.unit is None:
        help = replacements([f"{value.span.text} {unit}" for unit in units], value.span)
        raise teller.wrong("E304", f"{asked.name} needs a unit", value.span, label=f"{wanted} is missing", help=help)
    if value.unit.text not in units:
        raise teller.wrong(
            "E303",
            f"{asked.name} is not measured in `{value.unit.text}`",
            value.unit.span,
            label=f"expected {wanted}",
            help=_other_unit(units, value, value.unit),
        )
    return value.unit.text


def _other_unit(units: tuple[str, ...], value: tree.Number, unit: tree.Word) -> Help:
    digits = value.digits.text
    if nearest_name(unit.text, units):
        return suggest(unit.text, units, unit.span)
    suffix = _SUFFIXES.get(unit.text, "")
    return replacements([f"{digits}{suffix} {one}" for one in units], value.span)


def _amount(teller: SpecReporter, kind: Numeric, value: tree.Number, asked: ExpectedValue) -> int | float:
    read_number = read_finite(teller, value, asked)
    help: Help
    whole = isinstance(kind, kinds.IntegerKind)
    may_be_percent = isinstance(kind, kinds.ShareKind) or (isinstance(kind, kinds.RealKind) and kind.most == 1)
    message = f"{asked.name} must be {describe(asked.kind)}"
    if value.percent and not may_be_percent:
        help = asked.hint if whole else replacement(f"{read_number:g}", value.digits)
        raise teller.wrong("E301", message, value.digits, label="this is a percentage", help=help)
    if whole and read_number != int(read_number):
        help = f"write `{math.floor(read_number)}` or `{math.floor(read_number) + 1}`"
        raise teller.wrong("E301", message, value.digits, label="this is not whole", help=help)
    if not in_range(kind, read_number):
        help = _nearest_in_range(kind, value)
        if may_be_percent and 1 < read_number <= 100 and not value.percent:
            help = replacement(f"{read_number:g}%", value.digits, f"did you mean `{read_number:g}%`?")
        message = f"{asked.name} must be {describe_range(kind)}"
        raise teller.wrong("E302", message, value.digits, label="out of range", help=help)
    return int(read_number) if whole else float(read_number)


def _nearest_in_range(kind: Numeric, value: tree.Number) -> str:
    """What to write instead of a number that is too small or too large."""
    least, most = (0, 1) if isinstance(kind, kinds.ShareKind) else (kind.least, kind.most)
    is_open = not isinstance(kind, kinds.IntegerKind) and kind.open
    sign = "%" if isinstance(kind, kinds.ShareKind) or value.percent else ""

    def shown(read_number: float) -> str:
        read_number = read_number * 100 if sign else read_number
        return f"`{int(read_number):_}{sign}`" if read_number == int(read_number) else f"`{read_number:g}{sign}`"

    if value.value > most or (value.value == most and isinstance(kind, kinds.ShareKind)):
        below = is_open and isinstance(kind, kinds.ShareKind)
        return f"write less than {shown(most)}" if below else f"write {shown(most)} or less"
    return f"write more than {shown(least)}" if is_open else f"write {shown(least)} or more"


def read_finite(teller: SpecReporter, value: tree.Number, asked: ExpectedValue) -> int | float:
    """A number of any size that a float can hold, or Wrong."""
    if not math.isfinite(value.value):
        help = "write a smaller number"
        raise teller.wrong("E302", f"{asked.name} is too large a number", value.span, label="out of range", help=help)
    return value.value
