"""Reads numbers with their units, and reports what is wrong with them."""

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
"""Maps what people write instead of the suffixes of numbers to the suffix."""

_MULTIPLIERS = {"万": 10_000, "萬": 10_000, "亿": 100_000_000, "億": 100_000_000}
"""Maps Chinese units of large numbers to their values."""


def read_quantity(
    reporter: SpecReporter, units: Mapping[str, Numeric], value: tree.Value, expected: ExpectedValue
) -> dict[str, Any]:
    """Reads a number with one of several units.

    Returns:
        Its `value` and `unit`.
    Raises:
        InvalidValue: it is no number, or its unit or range is wrong.
    """
    if not isinstance(value, tree.Number):
        raise reporter.wrong_type(value, expected)
    unit = _read_unit(reporter, tuple(units), value, expected)
    return {"value": _read_amount(reporter, units[unit], value, expected), "unit": unit}


def read_number(reporter: SpecReporter, kind: Numeric, value: tree.Value, expected: ExpectedValue) -> int | float:
    """Reads a number.

    Raises:
        InvalidValue: it is no number, out of range, or without the unit of its kind.
    """
    if not isinstance(value, tree.Number):
        raise reporter.wrong_type(value, expected)
    unit = kind.unit if isinstance(kind, kinds.IntegerKind) else None
    if unit:
        _read_unit(reporter, (unit,), value, expected)
    elif value.unit:
        raise reporter.invalid(
            "E305",
            f"{expected.name} takes no unit",
            value.unit.span,
            label="not needed",
            help=replacement(_without_unit(value, value.unit), value.span),
        )
    return _read_amount(reporter, kind, value, expected)


def _without_unit(value: tree.Number, unit: tree.Word) -> str:
    """The number that was probably meant by one with a needless unit: with `%`, a suffix, or in decimal digits."""
    if unit.text in _MULTIPLIERS and (product := value.value * _MULTIPLIERS[unit.text]) == int(product):
        return f"{int(product):_}"
    if re.fullmatch(r"0[xX][0-9a-fA-F]+", value.span.text):
        return str(int(value.span.text, 16))
    sign = "%" if unit.text.casefold() in _PERCENT else _SUFFIXES.get(unit.text, "")
    return f"{value.digits.text}{sign}"


def _read_unit(reporter: SpecReporter, units: tuple[str, ...], value: tree.Number, expected: ExpectedValue) -> str:
    wanted = join_with_or(f"`{unit}`" for unit in units)
    if value.unit is None:
        help = replacements([f"{value.span.text} {unit}" for unit in units], value.span)
        raise reporter.invalid(
            "E304", f"{expected.name} needs a unit", value.span, label=f"{wanted} is missing", help=help
        )
    if value.unit.text not in units:
        raise reporter.invalid(
            "E303",
            f"{expected.name} is not measured in `{value.unit.text}`",
            value.unit.span,
            label=f"expected {wanted}",
            help=_other_unit(units, value, value.unit),
        )
    return value.unit.text


def _other_unit(units: tuple[str, ...], value: tree.Number, written: tree.Word) -> Help:
    digits = value.digits.text
    if nearest_name(written.text, units):
        return suggest(written.text, units, written.span)
    suffix = _SUFFIXES.get(written.text, "")
    return replacements([f"{digits}{suffix} {unit}" for unit in units], value.span)


def _read_amount(reporter: SpecReporter, kind: Numeric, value: tree.Number, expected: ExpectedValue) -> int | float:
    number = read_finite(reporter, value, expected)
    help: Help
    whole = isinstance(kind, kinds.IntegerKind)
    may_be_percent = isinstance(kind, kinds.ShareKind) or (isinstance(kind, kinds.RealKind) and kind.most == 1)
    message = f"{expected.name} must be {describe(expected.kind)}"
    if value.percent and not may_be_percent:
        help = expected.hint if whole else replacement(f"{number:g}", value.digits)
        raise reporter.invalid("E301", message, value.digits, label="this is a percentage", help=help)
    if whole and number != int(number):
        help = f"write `{math.floor(number)}` or `{math.floor(number) + 1}`"
        raise reporter.invalid("E301", message, value.digits, label="this is not whole", help=help)
    if not in_range(kind, number):
        help = _nearest_in_range(kind, value)
        if may_be_percent and 1 < number <= 100 and not value.percent:
            help = replacement(f"{number:g}%", value.digits, f"did you mean `{number:g}%`?")
        message = f"{expected.name} must be {describe_range(kind)}"
        raise reporter.invalid("E302", message, value.digits, label="out of range", help=help)
    exact = isinstance(kind, kinds.RealKind) and kind.exact and isinstance(number, int)
    return int(number) if whole or exact else float(number)


def _nearest_in_range(kind: Numeric, value: tree.Number) -> str:
    """Help for a number that is too small or too large."""
    least, most = (0, 1) if isinstance(kind, kinds.ShareKind) else (kind.least, kind.most)
    is_open = not isinstance(kind, kinds.IntegerKind) and kind.open
    sign = "%" if isinstance(kind, kinds.ShareKind) or value.percent else ""

    def shown(number: float) -> str:
        number = number * 100 if sign else number
        return f"`{int(number):_}{sign}`" if number == int(number) else f"`{number:g}{sign}`"

    if value.value > most or (value.value == most and isinstance(kind, kinds.ShareKind)):
        below = is_open and isinstance(kind, kinds.ShareKind)
        return f"write less than {shown(most)}" if below else f"write {shown(most)} or less"
    return f"write more than {shown(least)}" if is_open else f"write {shown(least)} or more"


def read_finite(reporter: SpecReporter, value: tree.Number, expected: ExpectedValue) -> int | float:
    """Reads a number of any size.

    Raises:
        InvalidValue: no float can hold it.
    """
    if not math.isfinite(value.value):
        help = "write a smaller number"
        raise reporter.invalid(
            "E302", f"{expected.name} is too large a number", value.span, label="out of range", help=help
        )
    return value.value
