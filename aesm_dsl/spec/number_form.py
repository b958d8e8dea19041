"""The arguments that say how numbers are written in a column of text: those of `number` and `above`."""

from __future__ import annotations

from typing import Annotated

from aesm_dsl.spec.block_model import setting
from aesm_dsl.spec.kinds import OptionalKind, SwitchKind, TextKind

Sign = Annotated[str | None, OptionalKind(TextKind('a sign in quotes (such as `","`)'))]
Signs = Annotated[str | None, OptionalKind(TextKind('signs in quotes (such as `"€ "`)'))]
Switch = Annotated[bool, SwitchKind()]

DECIMAL = setting("decimal sign of numbers that are written as text; by default a point", None)
THOUSANDS = setting("sign between groups of digits in numbers that are written as text", None)
STRIP = setting("signs that may stand before and behind a number that is written as text, such as a currency", None)
PERCENT = setting("the cells are percentages, written with or without `%`: they are divided by 100", False)
