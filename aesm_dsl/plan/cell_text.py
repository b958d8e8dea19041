"""The rule by which two texts are one value: cells of csv, parquet, JSON, names of folders, and values of a spec.

A table may hold the number 5 as an integer, as a float (as soon as a value of its column is missing) or, in a csv, as
the text that some writer made of it. So a text that writes a number, a truth value or a time is replaced by the one
form in which `data.reading.values.as_text` writes such a cell. All other texts stay as they are.

This module imports no data library: plans are compiled with it, and tables are read by its patterns.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

OFFSETS: tuple[tuple[str, str], ...] = (
    ("Z$", "+00:00"),
    (r"([+-][0-9]{2})$", "${1}:00"),
    (r"([+-][0-9]{2})([0-9]{2})$", "${1}:${2}"),
)
"""Patterns of offsets from UTC and what takes their place: every offset becomes `+08:00`."""

ZONED = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]+)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)$"
)
"""Matches a time with an offset from UTC; it is compared in UTC, if there is such a time from the year 1 to 9999."""

SPELLINGS: tuple[tuple[str, str], ...] = (
    (r"^-?0\.0+$", "0"),
    (r"^(-?(?:0|[1-9][0-9]*))\.0+$", "${1}"),
    (r"^(-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9])0+$", "${1}"),
    ("^(?:True|TRUE)$", "true"),
    ("^(?:False|FALSE)$", "false"),
    (r"^([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)$", "${1} ${2}"),
    (r"^([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})\.0+$", "${1}"),
    (r"^([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]*[1-9])0+$", "${1}"),
    ("^([0-9]{4}-[0-9]{2}-[0-9]{2}) 00:00:00$", "${1}"),
)
"""Patterns and what takes their place, applied in this order: `10.0` is `10`, `1.50` is `1.5`, `True` is `true`, and
`2024-01-31T00:00:00` is `2024-01-31`. Numbers with leading zeros, a plus sign or an exponent keep their text."""

SPELT = r"^-?[0-9]+\.[0-9]*0$|^(?:True|TRUE|False|FALSE)$|^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}"
"""Matches every text that the rule changes, and few others."""

MISSING = ("", "NaN")
"""Texts that are missing values."""


def cell_text(text: str) -> str:
    """Returns the form of a text in which values are compared."""
    if not _SPELT.search(text):
        return text
    if re.search(_of_python(ZONED), text):
        zoned = text
        for pattern, put in OFFSETS:
            zoned = _replaced(pattern, put, zoned)
        try:
            text = datetime.fromisoformat(zoned).astimezone(UTC).replace(tzinfo=None).isoformat(" ")
        except (ValueError, OverflowError):
            return text
    for pattern, put in SPELLINGS:
        text = _replaced(pattern, put, text)
    return text


def _replaced(pattern: str, put: str, text: str) -> str:
    return re.sub(_of_python(pattern), re.sub(r"\$\{(\d)\}", r"\\\1", put), text)


def _of_python(pattern: str) -> str:
    """The pattern as Python writes it: its `$` also matches before a line end."""
    return pattern.replace("$", r"\Z")


_SPELT = re.compile(_of_python(SPELT))
