"""`Column`: a description of a table's column, from a sample of its rows, for drafting a spec."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.data.reading.timestamps import DateForm, as_timestamps
from aesm_dsl.data.reading.values import as_numbers, as_text

LABEL = re.compile(
    r"^(y|label|target)(_|$)|click|(^|_)(buy|bought|pay|paid|ctr|cvr)(_|$)|purchas|conver|cancel|order|like|share|"
    r"follow|favou?r|subscri|churn|fraud|default|respon|install|regist|return|booked|opened"
)
"""Names of 0/1 columns that are labels rather than features."""
LATER = re.compile(r"(^|_)(status|assigned|actual|final|outcome|result|closed|refund|settled|delivered|completed)(_|$)")
"""Names of columns that are known only afterwards."""
TIME = re.compile(r"(^|_)(date|day|dt|time|timestamp|ts|datetime)$")
"""Names of timestamps."""
USER = re.compile(r"^(user|member|customer|visitor|guest|account|client)(_?id)?$|^uid$")
"""Names of the user of a row."""
WEIGHT = re.compile(r"(^|_)weight$")
KEY = re.compile(r"(^|_)(ids?|codes?|keys?|uuid|no)$")
"""Names of numbers that identify things."""
THING = re.compile(
    r"(^|_)(user|member|customer|visitor|guest|account|client|item|product|goods|sku|fund|movie|book|song|video|author|"
    r"artist|seller|shop|store|merchant|brand|agent|agency|company|campaign|advertiser|creative|ad|city|province|region|"
    r"country|district|zip|zipcode|postcode|category|cate|genre|occupation)$"
)
"""Names of whole numbers that identify things too, unless their names also match COUNTED."""
COUNTED = re.compile(r"(^|_)(n|num|nb|count|number|total|sum|avg|mean|max|min|rate|ratio|share)_")
"""Names of counts and amounts."""
GROWS = re.compile(
    r"(^|_)(changes?|changed|updates?|edits?|requests?|complaints?|duration|dwell|((watch|play|stay)(ed)?_?time))(_|$)"
)
"""Names of columns that may grow after the prediction."""
EARLIER = re.compile(r"(^|_)(prev|previous|prior|past|last|hist|history|avg|mean)(_|$)")
"""Names of columns that were complete before the row."""
SCENARIO = frozenset(
    (
        "scenario",
        "scene",
        "entry",
        "entrance",
        "page",
        "tab",
        "card",
        "slot",
        "domain",
        "surface",
        "placement",
        "site",
        "hotel",
        "shop",
        "store",
        "market",
        "segment",
        "channel",
    )
)
"""Words in the names of columns that say where a row happened."""
PARTS = {
    "test": ("test", "testing", "holdout"),
    "valid": ("valid", "validation", "val", "dev", "eval"),
    "train": ("train", "training"),
}
"""Values of a column that says to which part of the table a row belongs."""


SEPARATORS = ("|", ";", ",")
"""Separators of lists that are written as text."""
TAIL = 5.0
"""A column has a tail if its largest numbers are this many times further from the median than its smallest ones."""
SMOOTH = 0.5
"""Whole numbers are amounts if the frequencies of neighbouring ones correlate at least this much."""
OFTEN = 0.2
"""Share of the cells that a separator must be in."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the sampled rows."""

    name: str
    cells: pl.Series
    """The cells of the sampled rows."""
    kind: str
    """"number", "time", "text", "list" or "nested"."""
    distinct: int
    """Number of different values; in a column of lists, in all lists together."""
    missing: float
    """Share of the sampled rows without a value."""
    separator: str = ""
    """Separator of lists that are written as text."""

    @staticmethod
    def of(cells: pl.Series) -> Column:
        """Describes the cells."""
        dtype: Any = cells.dtype
        if isinstance(dtype, pl.List | pl.Array) and not (dtype.inner.is_nested() or dtype.inner == pl.Binary):
            return _list(cells, "")
        if dtype.is_nested() or isinstance(dtype, pl.Binary | pl.Object):
            return Column(cells.name, cells, "nested", 0, 0.0)
        text = as_text(cells)
        missing, distinct = text.null_count() / max(1, len(text)), text.n_unique() - text.has_nulls()
        kind = _kind(cells, text)
        separator = _separator(text.drop_nulls(), distinct) if kind == "text" else ""
        return _list(cells, separator) if separator else Column(cells.name, cells, kind, distinct, missing)

    @property
    def values(self) -> Column:
        """The values of all lists, as a column of their own."""
        return Column.of(flatten(self.cells, self.separator)[0])

    @property
    def longest(self) -> int:
        """The length of the longest list."""
        return int(np.bincount(flatten(self.cells, self.separator)[1], minlength=1).max())

    @property
    def words(self) -> list[str]:
        """The words of the column's name, in lower case."""
        return re.split(r"[\W_]+", self.name.casefold())

    @property
    def is_key(self) -> bool:
        """Whether its values identify things: text, or whole numbers with such a name."""
        if self.kind != "number":
            return self.kind == "text"
        name = self.name.casefold()
        named_so = KEY.search(name) or (THING.search(name) and not COUNTED.search(name))
        return bool(named_so) and self.is_whole

    @property
    def may_grow(self) -> bool:
        """Whether its name says that it may grow after the prediction."""
        name = self.name.casefold()
        return GROWS.search(name) is not None and EARLIER.search(name) is None

    @property
    def is_binary(self) -> bool:
        """Whether it holds both 0 and 1, and no other values."""
        if self.kind != "number" or self.distinct != 2:
            return False
        values, _ = as_numbers(self.cells)
        return set(np.unique(values[~np.isnan(values)])) == {0.0, 1.0}

    @property
    def names_rows(self) -> bool:
        """Whether nearly every row has its own value, and this is text or a whole number."""
        most = self.distinct >= 0.95 * (1 - self.missing) * len(self.cells) and self.distinct > 20
        return most and (self.kind == "text" or (self.kind == "number" and self.is_whole))

    @property
    def is_whole(self) -> bool:
        """Whether all its numbers are whole."""
        values, _ = as_numbers(self.cells)
        finite = values[np.isfinite(values)]
        return bool((finite == np.round(finite)).all())

    @property
    def has_tail(self) -> bool:
        """Whether its numbers are not negative and the largest are far from all others, as in amounts and counts.

        Whole numbers may be codes. They count as amounts if most of them are 0, or neighbouring values are about
        equally frequent.
        """
        values, _ = as_numbers(self.cells)
        finite = values[np.isfinite(values)]
        low, middle, high = np.quantile(finite, (0.01, 0.5, 0.99)) if len(finite) else (0.0, 0.0, 0.0)
        if low < 0 or high <= 0 or high - middle <= TAIL * (middle - low):
            return False
        log_counts = np.log(np.unique(finite, return_counts=True)[1])
        smooth = log_counts.std() > 0 and bool(np.corrcoef(log_counts[1:], log_counts[:-1])[0, 1] > SMOOTH)
        return not self.is_whole or middle == 0 or smooth

    @property
    def date_parts(self) -> tuple[Literal["hour", "weekday"], ...]:
        """The parts of its timestamps that repeat: hours if there are several, weekdays from two weeks on."""
        timestamps = as_timestamps(self.cells, DateForm())[0].drop_nulls()
        if not len(timestamps):
            return ()
        days = (timestamps.max() - timestamps.min()).days  # type: ignore[operator, union-attr]
        hour: tuple[Literal["hour"], ...] = ("hour",) if timestamps.dt.hour().n_unique() > 1 else ()
        return (*hour, "weekday") if days >= 14 else hour

    @property
    def part_values(self) -> dict[str, str]:
        """Part of the table -> the value that means it; empty if some value means no part."""
        few = self.distinct <= 3 and self.kind not in ("list", "nested")
        values = [str(value) for value in as_text(self.cells).drop_nulls().unique()] if few else []
        parts = {part: value for part, words in PARTS.items() for value in values if value.casefold() in words}
        return parts if len(parts) == len(values) and "train" in parts and len(parts) > 1 else {}


def _list(cells: pl.Series, separator: str) -> Column:
    values, row_I = flatten(cells, separator)
    text = as_text(values).drop_nulls()
    missing = 1 - len(np.unique(row_I)) / max(1, len(cells))
    return Column(cells.name, cells, "list", text.n_unique(), missing, separator)


def _separator(text: pl.Series, distinct: int) -> str:
    """The separator that splits many of the cells into values that repeat; empty if there is none."""
    for sign in SEPARATORS:
        containing = text.filter(text.str.contains(sign, literal=True))
        if len(containing) >= OFTEN * len(text) > 0:
            pieces = text.str.split(sign).explode().str.strip_chars().n_unique()
            if pieces <= distinct / 2:
                return sign
    return ""


def _kind(cells: pl.Series, text: pl.Series) -> str:
    if isinstance(cells.dtype, pl.Date | pl.Datetime):
        return "time"
    if text.null_count() == len(text):
        return "text"
    if not cells.dtype.is_numeric() and text.drop_nulls().str.contains(r"^\d{4}-\d\d-\d\d").all():
        return "text" if as_numbers(cells)[1].any() else "time"
    return "text" if as_numbers(cells)[1].any() else "number"
