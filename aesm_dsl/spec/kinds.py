"""Kinds of values: what a setting may hold, one small class per kind, as data.

The vocabulary (model.py) attaches a kind to every setting. Reading, writing, ranges, completion and the reference are
derived from it; each of these has one function with a case per kind.
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
"""Words for `none` in other languages; as bare words they are mistakes if the setting accepts `none`."""


@dataclass(frozen=True, slots=True)
class IntegerKind:
    """A whole number from `least` to `most`; with a `unit`, the unit must be written."""

    least: int = 0
    most: int = 2**63 - 1
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class RealKind:
    """A number in [least, most], or in (least, most] if `open`. With `exact`, a whole number stays one of any size."""

    least: float = 0.0
    most: float = float("inf")
    open: bool = False
    exact: bool = False


@dataclass(frozen=True, slots=True)
class ShareKind:
    """A share of a whole, written `10%` or `0.1`; in [0, 1], or in (0, 1) if `open`."""

    open: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceKind:
    """One of a few words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SwitchKind:
    """The word `true` or `false`."""

    words = ("true", "false")


@dataclass(frozen=True, slots=True)
class NameKind:
    """A name that the user chose, bare or in quotes, such as a column."""

    phrase: str
    """The value in words, for messages: "a column"."""


@dataclass(frozen=True, slots=True)
class ReferenceKind:
    """The bare name of something that the spec declares, such as a level, a node or a task."""

    to: str


@dataclass(frozen=True, slots=True)
class TextKind:
    """A string in quotes."""

    phrase: str
    """The value in words, for messages."""


@dataclass(frozen=True, slots=True)
class LiteralKind:
    """A value as it occurs in a column of a table: a string in quotes or a number."""

    phrase: str
    """The value in words, for messages."""


@dataclass(frozen=True, slots=True)
class QuantityKind:
    """A number with one of several units; each unit has its own range."""

    units: Mapping[str, IntegerKind | RealKind]


@dataclass(frozen=True, slots=True)
class ListKind:
    """A list of at least `least` values; with `single`, one value may stand without brackets."""

    of: Kind
    least: int = 0
    single: bool = False


@dataclass(frozen=True, slots=True)
class AutoKind:
    """The word `auto`, or a value. aesm replaces `auto` by the rules of plan/allocate.py."""

    of: Kind


@dataclass(frozen=True, slots=True)
class OptionalKind:
    """The word `none`, or a value."""

    of: Kind


@dataclass(frozen=True, slots=True)
class CallKind:
    """A call `name(argument: value, ...)` of one of the models; without arguments, the bare name is enough."""

    models: tuple[type[BlockModel], ...]


@dataclass(frozen=True, slots=True)
class EitherKind:
    """A value of one of several kinds, which differ in how they are written; the kinds are tried in order."""

    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class BlockKind:
    """A block inside a block. With `many`, any number of them, each with a name; else at most one, without a name."""

    kind: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class MembersKind:
    """The settings of a block whose names the user chooses; all values have one kind."""

    of: Kind


Kind = (
    IntegerKind
    | RealKind
    | ShareKind
    | ChoiceKind
    | SwitchKind
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
    """Describes a kind in words that complete "expected ..."."""
    return join_with_or(_alternatives(kind))


def _alternatives(kind: Kind) -> list[str]:
    """The alternatives for a value of a kind, in words."""
    match kind:
        case IntegerKind(unit=unit):
            return ["a whole number" + (f" of {unit}" if unit else "")]
        case RealKind():
            return ["a number"]
        case ShareKind():
            return ["a share (such as `10%`)"]
        case ChoiceKind(words):
            return [f"`{word}`" for word in words]
        case SwitchKind():
            return [f"`{word}`" for word in kind.words]
        case NameKind(phrase) | TextKind(phrase) | LiteralKind(phrase):
            return [phrase]
        case ReferenceKind(to):
            return [f"the name of a {to}"]
        case QuantityKind(units):
            return ["a number of " + join_with_or(units)]
        case ListKind(of, single=single):
            return [*_alternatives(of), "a list of them"] if single else [f"a list, each {describe(of)}"]
        case AutoKind(of):
            return ["`auto`", *_alternatives(of)]
        case OptionalKind(of):
            return ["`none`", *_alternatives(of)]
        case CallKind(models):
            return [f"`{model.call_name()}{'(...)' if model.kinds() else ''}`" for model in models]
        case EitherKind(kinds):
            return [alternative for kind in kinds for alternative in _alternatives(kind)]


def describe_range(kind: IntegerKind | RealKind | ShareKind) -> str:
    """Describes a range in words: `from 1 to 64`, `above 0`."""
    match kind:
        case IntegerKind(least, most):
            return f"at least {least:,}" if most == 2**63 - 1 else f"from {least:,} to {most:,}"
        case RealKind(least, most, is_open, _):
            if least == float("-inf"):
                return "of any size"
            low = f"above {least:,g}" if is_open else f"at least {least:,g}"
            return low if most == float("inf") else f"{low} and at most {most:,g}"
        case ShareKind(is_open):
            return "between 0% and 100%, both excluded" if is_open else "from 0% to 100%"


def in_range(kind: IntegerKind | RealKind | ShareKind, value: float) -> bool:
    """Whether a number is in the range of a kind."""
    match kind:
        case IntegerKind(least, most):
            return least <= value <= most
        case RealKind(least, most, is_open, _):
            return (least < value if is_open else least <= value) and value <= most and math.isfinite(value)
        case ShareKind(is_open):
            return 0 < value < 1 if is_open else 0 <= value <= 1


def range_error(kind: Kind, value: Any) -> str:
    """Describes why a value is out of its kind's range; empty if it is in the range."""
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
                return next((error for item in value if (error := range_error(of, item))), "")
        case QuantityKind(units):
            return range_error(units[value.unit], value.value)
        case EitherKind(options):
            lists = isinstance(value, tuple)
            return next((range_error(option, value) for option in options if isinstance(option, ListKind) == lists), "")
    return ""
