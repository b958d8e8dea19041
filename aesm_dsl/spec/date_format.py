"""Formats of dates in the signs of `strptime`: which there are, and what a format can match.

A sign means what it means to Python's `datetime.strptime`, so that a server without aesm reads the same date.
"""

from __future__ import annotations

import re

SECONDS = "%s"
"""The format of seconds since 1970; it stands alone."""

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_LONG_DAYS = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"

SIGNS = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "1[0-2]|0[1-9]|[1-9]",
    "b": "|".join(MONTHS),
    "B": _LONG_MONTHS,
    "d": "3[01]|[12][0-9]|0[1-9]|[1-9]",
    "j": "36[0-6]|3[0-5][0-9]|[12][0-9]{2}|0[1-9][0-9]|00[1-9]|[1-9][0-9]|0[1-9]|[1-9]",
    "a": "mon|tue|wed|thu|fri|sat|sun",
    "A": _LONG_DAYS,
    "H": "2[0-3]|[01][0-9]|[0-9]",
    "I": "1[0-2]|0[1-9]|[1-9]",
    "p": "am|pm",
    "M": "[0-5][0-9]|[0-9]",
    "S": "[0-5][0-9]|[0-9]",
    "f": "[0-9]{1,6}",
    "z": "[+-][0-9]{2}:?[0-5][0-9]|Z",
}
"""What each sign stands for, as a regular expression."""

_WIDTH = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3, "H": 2, "I": 2, "M": 2, "S": 2}
_PARTS = re.compile(r"%(.?)|(\s+)|([^%\s]+)", re.DOTALL)
_TOGETHER = (("m", "b", "B"), ("Y", "y"), ("d", "j"), ("H", "I"), ("a", "A"))
"""Signs of which a format has at most one."""


def format_error(form: str) -> str:
    """Returns what is wrong with a format, in words; empty if nothing is."""
    signs = re.findall(r"%(.?)", form.replace("%%", ""), re.DOTALL)
    if form == SECONDS:
        return ""
    if not signs:
        return "it has no sign such as `%Y`"
    unknown = next((sign for sign in signs if sign not in SIGNS), None)
    if unknown is not None:
        return f"`%{unknown}` is no sign of it"
    for together in _TOGETHER:
        if sum(signs.count(sign) for sign in together) > 1:
            return " and ".join(f"`%{sign}`" for sign in signs if sign in together) + " say the same"
    twice = next((sign for sign in signs if signs.count(sign) > 1), None)
    if twice is not None:
        return f"`%{twice}` is in it twice"
    if ("I" in signs) != ("p" in signs):
        return "`%I` and `%p` go together"
    return ""


def has_year(form: str) -> bool:
    """Returns whether dates of the format have a year, so that they can be ordered."""
    return form == SECONDS or "%Y" in form or "%y" in form


def width(form: str) -> int:
    """Returns the number of digits of a format that is made of nothing else, such as `%Y%m%d`; else 0.

    A number loses the zeros in front: `%y%m%d` of the year 2009 has five digits.
    """
    signs = re.findall(r"%(.)", form)
    whole = form == "".join(f"%{sign}" for sign in signs) and all(sign in _WIDTH for sign in signs)
    return sum(_WIDTH[sign] for sign in signs) if whole else 0


def pattern(form: str) -> str:
    """Returns a regular expression that matches a whole text of the format; each sign is a group of its own name."""
    parts = []
    for sign, blank, text in _PARTS.findall(form):
        if sign == "%":
            parts.append("%")
        elif sign:
            parts.append(f"(?P<{sign}>{SIGNS[sign]})")
        else:
            parts.append(r"\s+" if blank else re.escape(text))
    return f"^(?i:{''.join(parts)})$"
