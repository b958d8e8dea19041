"""What a setting's value may be: one small class per kind of value, as data.

The vocabulary (model.py) attaches a kind to every setting. Reading, writing, ranges, completion and the reference page
are all made from it; each of those rooms has one function per kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aesm_dsl.findings.fix import join_with_or

if TYPE_CHECKING:
    from aesm_dsl.spec.block_model import BlockModel


WORDS_FOR_NONE = ("false", "no", "off", "null", "nil")
"""Words that other languages have for `none`: as bare words they are mistakes where `none` may stand."""


@dataclass(frozen=True, slots=True)
class IntegerKind:
    """A whole number in [least, most]; with a `unit`, the unit must be written."""

    least: int = 0
    most: int = 2**63 - 1
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class RealKind:
    """A number in [least, most], or in (least, most] when `open` says that `least` itself is excluded."""

    least: float = 0.0
    most: float = float("inf")
    open: bool = False


@dataclass(frozen=True, slots=True)
class ShareKind:
    """A share of a whole, written `10%` or `0.1`; in [0, 1], or in (0, 1) when `open`."""

    open: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceKind:
    """One of a few words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NameKind:
    """A name the user chose, bare or in quotes: a column."""

    what: str


@dataclass(frozen=True, slots=True)
class ReferenceKind:
    """The bare name of something declared in the spec: a `level`, a `node`, a `task`."""

    to: str


@dataclass(frozen=True, slots=True)
class TextKind:
    """A string in quotes."""

    what: str


@dataclass(frozen=True, slots=True)
class LiteralKind:
    """A value as it stands in a table's column: a string in quotes or a number."""

    what: str


@dataclass(frozen=True, slots=True)
class QuantityKind:
    """A number with one of several units, each with its range."""

    units: Mapping[str, IntegerKind | RealKind]


@dataclass(frozen=True, slots=True)
class ListKind:
    """A list of values; `single` lets one value stand without brackets."""

    of: Kind
    least: int = 0
    single: bool = False


@dataclass(frozen=True, slots=True)
class AutoKind:
    """The word `auto`, or a value: aesm fills it by the rules of allocation."""

    of: Kind


@dataclass(frozen=True, slots=True)
class OptionalKind:
    """The word `none`, or a value."""

    of: Kind


@dataclass(frozen=True, slots=True)
class CallKind:
    """A call `name(argument: value, ...)` of one of the models; without arguments it may be a bare name."""

    models: tuple[type[BlockModel], ...]


@dataclass(frozen=True, slots=True)
class EitherKind:
    """Any of several kinds that differ in how they are written: tried in order."""

    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class BlockKind:
    """A block inside a block. `many`: any number of them, each with a name; else at most one, without a name."""

    kind: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class MembersKind:
    """All settings of the block: names that the user chose, each with a value of one kind."""

    of: Kind


Kind = (
    IntegerKind
    | RealKind
    | ShareKind
    | ChoiceKind
    | NameKind
    | ReferenceKind
    | TextKind
    | LiteralKind
    | QuantityKind
    | ListKind
    | AutoKind
    | OptionalKind
    | CallKind
    | EitherKind
)


def describe(kind: Kind) -> str:
    """The kind in words, as it completes "expected ..."."""
    return join_with_or(_ways(kind))


def _ways(kind: Kind) -> list[str]:
    """What a value of the kind may be, one way after the other."""
    match kind:
        case IntegerKind(unit=unit):
            return ["a whole number" + (f" of {unit}" if unit else "")]
        case RealKind():
            return ["a number"]
        case ShareKind():
            return ["a share (such as `10%`)"]
        case ChoiceKind(words):
            return [f"`{word}`" for word in words]
        case NameKind(what) | TextKind(what) | LiteralKind(what):
            return [what]
        case ReferenceKind(to):
            return [f"the name of a {to}"]
        case QuantityKind(units):
            return ["a number of " + join_with_or(units)]
        case ListKind(of, single=single):
            return [*_ways(of), "a list of them"] if single else [f"a list, each {describe(of)}"]
        case AutoKind(of):
            return ["`auto`", *_ways(of)]
        case OptionalKind(of):
            return ["`none`", *_ways(of)]
        case CallKind(models):
            return [f"`{model.call_name()}{'(...)' if model.kinds() else ''}`" for model in models]
        case EitherKind(kinds):
            return [way for each in kinds for way in _ways(each)]


def describe_range(kind: IntegerKind | RealKind | ShareKind) -> str:
    """The range in words: `from 1 to 64`, `above 0`."""
    match kind:
        case IntegerKind(least, most):
            return f"at least {least:,}" if most == 2**63 - 1 else f"from {least:,} to {most:,}"
        case RealKind(least, most, is_open):
            if least == float("-inf"):
                return "of any size"
            low = f"above {least:,g}" if is_open else f"at least {least:,g}"
            return low if most == float("inf") else f"{low} and at most {most:,g}"
        case ShareKind(is_open):
            return "between 0% and 100%, both excluded" if is_open else "from 0% to 100%"


def in_range(kind: IntegerKind | RealKind | ShareKind, value: float) -> bool:
    """Whether the number lies in the kind's range."""
    match kind:
        case IntegerKind(least, most):
            return least <= value <= most
        case RealKind(least, most, is_open):
            return (least < value if is_open else least <= value) and value <= most and math.isfinite(value)
        case ShareKind(is_open):
            return 0 < value < 1 if is_open else 0 <= value <= 1


def range_error(kind: Kind, value: Any) -> str:
    """What is wrong with a value's range, in words; empty when nothing is."""
    match kind:
        case IntegerKind() | RealKind() | ShareKind():
            if isinstance(value, int | float) and not in_range(kind, value):
                return f"{value:g} must be {describe_range(kind)}"
        case AutoKind(of) | OptionalKind(of):
            return "" if value is None or value == "auto" else range_error(of, value)
        case ListKind(of, least):
            if isinstance(value, tuple):
                if len(value) < least:
                    return f"at least {least} needed"
                return next((wrong for item in value if (wrong := range_error(of, item))), "")
        case QuantityKind(units):
            return range_error(units[value.unit], value.value)
    return ""
