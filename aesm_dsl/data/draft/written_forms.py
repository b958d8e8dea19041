"""How the numbers and dates of a text column are written, guessed from its cells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import polars as pl

from aesm_dsl.data.reading.date_text import read_date_text
from aesm_dsl.data.reading.number_text import read_number_text
from aesm_dsl.plan.number_form import NumberForm

UNITS = frozenset(
    (
        *(
            "eur",
            "usd",
            "gbp",
            "cny",
            "rmb",
            "jpy",
            "chf",
            "sek",
            "nok",
            "dkk",
            "pln",
            "inr",
            "rub",
            "brl",
            "cad",
            "aud",
        ),
        *("kr", "zł", "元", "円", "원", "kg", "g", "km", "m", "cm", "mm", "min", "h", "s", "ms", "mb", "gb", "kb"),
    )
)
"""Words beside a number that say in what it is measured, without changing it as `k` and `万` do."""
FIRST = 1_000
"""Most different cells that every format is tried on; what fits them is tried on all."""

_NUMBER = re.compile(r"^(\D*?)([+-]?)(\D*?)(\d[\d.,'’\s]*?)(\s*\D*)$")
_BLANKS = re.compile(r"[\s\u00a0\u202f\u2009]+")
_DATES = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%Y年%m月%d日",
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", " %H时%M分")
_DATE = re.compile(r"^\d{1,4}[-/.年 ]|^\d{1,2} ?-?[A-Za-z]{3}|^[A-Za-z]{3,9} \d")


@dataclass(frozen=True, slots=True)
class Written:
    """A guessed form."""

    form: NumberForm | str
    """The form of numbers, or the format of dates."""
    doubt: str = ""
    """What else the cells may mean; empty if nothing."""


def number_form(text: pl.Series) -> Written | None:
    """Returns the form in which all cells are numbers; None if there is none, or if they are in several units.

    Args:
        text: the cells, without missing ones.
    """
    cells = text.unique().str.strip_chars()
    affixes: set[str] = set()
    bodies: list[str] = []
    for cell in cells:
        found = _NUMBER.match(cell)
        if found is None:
            return None
        before, _, between, body, after = found.groups()
        affixes.add(_BLANKS.sub("", before + between + after))
        bodies.append(_BLANKS.sub(" ", body.strip()))
    units = affixes - {""}
    if len(units) > 1 or not all(_is_unit(unit) for unit in units):
        return None
    unit = next(iter(units), "")
    if unit == "%" and "" in affixes:
        return None
    signs, doubt = _signs(bodies)
    form = NumberForm(**signs, strip="" if unit == "%" else unit, percent=unit == "%")
    return None if form == NumberForm() or read_number_text(cells, form).has_nulls() else Written(form, doubt)


def _is_unit(affix: str) -> bool:
    word = affix.casefold().strip(".")
    return word in UNITS or (len(affix) <= 2 and not any(sign.isalnum() or sign in "()+-*/=<>#&~" for sign in affix))


def _signs(bodies: list[str]) -> tuple[dict[str, str], str]:
    """Returns the decimal sign and the sign of thousands, and what else they may be."""
    used = {sign for body in bodies for sign in body if not sign.isdigit()}
    thousands = next((sign for sign in used if sign in "'’ "), "")
    points = sorted(used & set(".,"))
    if len(points) == 2:
        last = {max(points, key=body.rfind) for body in bodies if all(sign in body for sign in points)}
        last = last or {sign for sign in points if any(_is_decimal(body, sign) for body in bodies)}
        decimal = last.pop() if len(last) == 1 else "."
        return {"decimal": decimal, "thousands": points[1 - points.index(decimal)]}, ""
    marks = {"thousands": thousands} if thousands else {}
    if not points:
        return marks, ""
    (sign,) = points
    if any(body.count(sign) > 1 for body in bodies):
        return {"thousands": sign, "decimal": "," if sign == "." else "."}, ""
    if thousands or any(_is_decimal(body, sign) for body in bodies) or sign == ".":
        return {**marks, "decimal": sign}, ""
    example = next(body for body in bodies if sign in body)
    return {
        "thousands": sign
    }, f"`{example}` is read as {example.replace(sign, '')}, not as {example.replace(sign, '.')}"


def _is_decimal(body: str, sign: str) -> bool:
    """Whether a sign in a number cannot part thousands."""
    whole, found, fraction = body.rpartition(sign)
    return bool(found) and (len(fraction) != 3 or whole in ("", "0") or len(whole) > 3)


def date_format(text: pl.Series) -> Written | None:
    """Returns the format in which all cells are dates; None if there is none, or if they are ISO dates.

    Args:
        text: the cells, without missing ones.
    """
    cells = text.unique().str.strip_chars()
    if not len(cells) or _DATE.match(cells[0]) is None:
        return None
    fitting = list(_fitting(cells))
    if not fitting:
        return None
    day_first = next((one for one in fitting if one.startswith("%d")), None)
    month_first = next((one for one in fitting if one.startswith("%m")), None)
    if day_first and month_first:
        return Written(day_first, f"read with the day first; if the month comes first, write `{month_first}`")
    return Written(fitting[0])


def _fitting(cells: pl.Series) -> Iterator[str]:
    for date, time in product(_DATES, _TIMES):
        form = date + time
        if all(
            not read_date_text(some, form, "UTC").has_nulls() for some in (cells.head(20), cells.head(FIRST), cells)
        ):
            yield form
