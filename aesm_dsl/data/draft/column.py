"""`Column`: a description of a table's column, from a sample of its rows, for drafting a spec."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from aesm_dsl.data.draft.column_names import COUNTED, EARLIER, GROWS, KEY, THING, TIME, plain_name
from aesm_dsl.data.draft.written_forms import date_format, number_form
from aesm_dsl.data.reading.lists import flatten
from aesm_dsl.data.reading.timestamps import DateForm, as_timestamps
from aesm_dsl.data.reading.values import as_numbers, as_text, is_missing
from aesm_dsl.plan.number_form import NumberForm

Kind = Literal["number", "time", "text", "list", "nested"]

PARTS = {
    "test": ("test", "testing", "holdout"),
    "valid": ("valid", "validation", "val", "dev", "eval"),
    "train": ("train", "training"),
}
"""Values of a column that says to which part of the table a row belongs."""
YES = frozenset(
    ("1", "y", "yes", "true", "t", "on", "positive", "pos", "success", "si", "ja", "oui", "是", "有", "真", "对")
)
"""Words for 1."""
NO = frozenset(
    ("0", "n", "no", "false", "f", "off", "negative", "neg", "failure", "nein", "non", "否", "无", "没有", "假", "错")
)
"""Words for 0."""
DENIALS = ("no", "not", "non", "un", "dis", "in", "没", "未", "不", "无", "非")
"""What makes a word its opposite."""
SEPARATORS = ("|", ";", ",")
"""Separators of lists that are written as text."""
TAIL = 5.0
"""A column has a tail if its largest numbers are this many times further from the median than its smallest ones."""
SMOOTH = 0.5
"""Whole numbers are amounts if the frequencies of neighbouring ones correlate at least this much."""
OFTEN = 0.2
"""Share of the cells that a separator must be in."""
COUNTED_UNIQUE = 0.85
"""Share of the rows from which values that were counted approximately differ in nearly every row."""
SECONDS = (946_684_800, 4_102_444_800)
"""Seconds since 1970 in the years 2000 to 2099."""


@dataclass(frozen=True, eq=False)
class Column:
    """A column of the sampled rows."""

    name: str
    cells: pl.Series
    """The cells of the sampled rows."""
    kind: Kind
    distinct: int
    """Number of different values in the table; in a column of lists, in all lists of the sample together."""
    missing: float
    """Share of the sampled rows without a value."""
    unique: bool = False
    """Whether nearly every row has a value of its own."""
    separator: str = ""
    """Separator of lists that are written as text."""
    form: NumberForm | None = None
    """How its numbers are written; None if as plain numbers."""
    dates: str = ""
    """The format of its dates; empty if they are ISO dates or numbers."""
    doubt: str = ""
    """What else its cells may mean; empty if nothing."""

    @staticmethod
    def of(cells: pl.Series, counted: int | None = None, rows: int | None = None) -> Column:
        """Describes the cells.

        Args:
            cells: the cells of the sampled rows.
            counted: the number of different values in all rows; None if it was not counted.
            rows: the number of all rows; None if the cells are all rows.
        """
        dtype: Any = cells.dtype
        if isinstance(dtype, pl.List | pl.Array) and not (dtype.inner.is_nested() or dtype.inner == pl.Binary):
            return _list(cells, "")
        if dtype.is_nested() or isinstance(dtype, pl.Binary | pl.Object):
            return Column(cells.name, cells, "nested", 0, 0.0)
        text = as_text(cells)
        missing, distinct = text.null_count() / max(1, len(text)), text.n_unique() - text.has_nulls()
        unique = distinct >= 0.95 * (1 - missing) * len(cells) and distinct > 20
        if counted is not None:
            unique &= counted >= COUNTED_UNIQUE * (1 - missing) * (rows or len(cells))
            distinct = max(distinct, counted)
        column = Column(cells.name, cells, "text", distinct, missing, unique)
        return _typed(column, text.drop_nulls())

    @cached_property
    def plain(self) -> str:
        """The words of its name, in English and lower case, joined by `_`."""
        return plain_name(self.name)

    @cached_property
    def numbers(self) -> npt.NDArray[np.float64]:
        """The cells as numbers; NaN for missing ones and for what is no number."""
        return as_numbers(self.cells, self.form)[0]

    @cached_property
    def filled(self) -> npt.NDArray[np.bool_]:
        """Which of the sampled rows have a value."""
        if self.kind != "list":
            return ~is_missing(self.cells)
        return np.bincount(flatten(self.cells, self.separator)[1], minlength=len(self.cells)) > 0

    @property
    def values(self) -> Column:
        """The values of all lists, as a column of their own."""
        return Column.of(flatten(self.cells, self.separator)[0])

    @property
    def longest(self) -> int:
        """The length of the longest list."""
        return int(np.bincount(flatten(self.cells, self.separator)[1], minlength=1).max())

    @property
    def is_key(self) -> bool:
        """Whether its values identify things: text, or whole numbers with such a name."""
        if self.kind != "number":
            return self.kind == "text"
        named_so = KEY.search(self.plain) or (THING.search(self.plain) and not COUNTED.search(self.plain))
        return bool(named_so) and self.is_whole

    @property
    def is_earlier(self) -> bool:
        """Whether its name says that it was complete before the row."""
        return EARLIER.search(self.plain) is not None

    @property
    def may_grow(self) -> bool:
        """Whether its name says that it may grow after the prediction."""
        return GROWS.search(self.plain) is not None and not self.is_earlier

    @cached_property
    def positive(self) -> str | None:
        """The value that means 1 in a column of 0 and 1, of yes and no, or of -1 and 1; None in other columns."""
        if self.kind not in ("number", "text") or self.form is not None:
            return None
        values = as_text(self.cells).drop_nulls().unique().sort().to_list()
        if self.kind == "number":
            numbers = np.unique(self.numbers[~np.isnan(self.numbers)]).tolist()
            return "1" if numbers in ([0.0, 1.0], [-1.0, 1.0]) else None
        if len(values) != 2:
            return None
        for yes, no in (values, values[::-1]):
            said, denied = yes.strip().casefold(), no.strip().casefold()
            bare = denied.removesuffix("ed"), said.removesuffix("ed")
            opposite = any(bare[0] in (f"{word}{sign}{bare[1]}" for sign in ("", "_", "-", " ")) for word in DENIALS)
            if (
                opposite
                or (said in YES and denied in NO)
                or (said not in NO and denied in (*NO, "none") and self._named)
            ):
                return str(yes)
        return None

    @property
    def _named(self) -> bool:
        """Whether one of its values is a word of its name: `clicked` beside `none` in `click_type`."""
        return any(value.casefold()[:4] in self.plain for value in as_text(self.cells).drop_nulls().unique())

    @property
    def labels(self) -> npt.NDArray[np.float32]:
        """label_R: 1 where it has its positive value, 0 where it has the other one, NaN where it has none."""
        text = as_text(self.cells)
        ones = self.numbers == 1 if self.kind == "number" else (text == self.positive).fill_null(False).to_numpy()
        return np.where(self.filled, ones.astype(np.float32), np.float32(np.nan))

    @property
    def is_whole(self) -> bool:
        """Whether all its numbers are whole."""
        finite = self.numbers[np.isfinite(self.numbers)]
        return bool((finite == np.round(finite)).all())

    @property
    def has_tail(self) -> bool:
        """Whether its numbers are not negative and the largest are far from all others, as in amounts and counts.

        Whole numbers may be codes. They count as amounts if most of them are 0, or neighbouring values are about
        equally frequent.
        """
        finite = self.numbers[np.isfinite(self.numbers)]
        low, middle, high = np.quantile(finite, (0.01, 0.5, 0.99)) if len(finite) else (0.0, 0.0, 0.0)
        if low < 0 or high <= 0 or high - middle <= TAIL * (middle - low):
            return False
        log_counts = np.log(np.unique(finite, return_counts=True)[1])
        smooth = log_counts.std() > 0 and bool(np.corrcoef(log_counts[1:], log_counts[:-1])[0, 1] > SMOOTH)
        return not self.is_whole or middle == 0 or smooth

    @property
    def date_parts(self) -> tuple[Literal["hour", "weekday"], ...]:
        """The parts of its timestamps that repeat: hours if there are several, weekdays from two weeks on."""
        timestamps = as_timestamps(self.cells, DateForm(format=self.dates))[0].drop_nulls()
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
    return Column(cells.name, cells, "list", text.n_unique(), missing, separator=separator)


def _separator(text: pl.Series, distinct: int) -> str:
    """The separator that splits many of the cells into values that repeat; empty if there is none."""
    for sign in SEPARATORS:
        containing = text.filter(text.str.contains(sign, literal=True))
        if len(containing) >= OFTEN * len(text) > 0:
            pieces = text.str.split(sign).explode().str.strip_chars().n_unique()
            if pieces <= distinct / 2:
                return sign
    return ""


def _typed(column: Column, text: pl.Series) -> Column:
    """The column as what its cells are: times, numbers, lists or text."""
    cells = column.cells
    if isinstance(cells.dtype, pl.Date | pl.Datetime):
        return replace(column, kind="time")
    if not len(text):
        return column
    if not cells.dtype.is_numeric() and text.str.contains(r"^\d{4}-\d\d-\d\d").all():
        return column if as_timestamps(cells, DateForm())[1].any() else replace(column, kind="time")
    if not as_numbers(cells)[1].any():
        return replace(column, kind="time" if _are_times(replace(column, kind="number")) else "number")
    if (dates := date_format(text)) is not None:
        return replace(column, kind="time", dates=str(dates.form), doubt=dates.doubt)
    if (numbers := number_form(text)) is not None and isinstance(numbers.form, NumberForm):
        return replace(column, kind="number", form=numbers.form, doubt=numbers.doubt)
    separator = _separator(text, column.distinct)
    return _list(cells, separator) if separator else column


def _are_times(column: Column) -> bool:
    """Whether numbers of such a name are seconds since 1970, or days or hours in eight digits."""
    if not (TIME.search(column.plain) or column.plain == "hour") or column.distinct < 2:
        return False
    numbers = column.numbers[~np.isnan(column.numbers)]
    if (numbers != np.round(numbers)).any():
        return False
    eight = ((numbers >= 1e7) & (numbers < 4e7)).all()
    seconds = ((numbers >= SECONDS[0]) & (numbers < SECONDS[1])).all() and column.plain != "hour"
    return bool(seconds or (eight and not as_timestamps(column.cells, DateForm())[1].any()))
