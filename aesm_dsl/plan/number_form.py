"""`NumberForm`: how the numbers of a column are written as text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How numbers are written. Cells that are numbers already are taken as they are, apart from `percent`."""

    decimal: str = "."
    thousands: str = ""
    """The sign between groups of digits; a blank also stands for the narrow and the unbreakable one."""
    strip: str = ""
    """Signs that may stand before and behind the number, as blanks always may."""
    percent: bool = False
    """Whether the cells are percentages, with or without `%`: the number is divided by 100."""
