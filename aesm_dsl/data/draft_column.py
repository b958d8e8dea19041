"""`Column`: what a column of a table looks like, from a sample of its rows, for drafting a spec."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from aesm_dsl.data.value import as_numbers, as_text

LABEL = re.compile(
    r"^(y|label|target)(_|$)|click|(^|_)(buy|bought|pay|paid|ctr|cvr)(_|$)|purchas|conver|cancel|order|like|share|"
    r"follow|favou?r|subscri|churn|fraud|default|respon|install|regist|return|booked|opened"
)
"""Names of 0/1 columns that are labels rather than features."""
LATER = re.compile(r"(^|_)(status|assigned|actual|final|outcome|result|closed|refund|settled|delivered|completed)(_|$)")
"""Names of what is known only afterwards."""
TIME = re.compile(r"(^|_)(date|day|dt|time|timestamp|ts|datetime)$")
USER = re.compile(r"^(user|member|customer|visitor|guest|account|client)(_?id)?$|^uid$")
WEIGHT = re.compile(r"(^|_)weight$")
KEY = re.compile(r"(^|_)(id|ids|code|key|uuid|no)$")
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
"""Values of a column that says which part of a table a row belongs to."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    cells: pl.Series
    """Those of the sampled rows."""
    kind: str
    """"number", "time", "text" or "nested"."""
    distinct: int
    missing: float
    """Share of the sampled rows."""

    @staticmethod
    def of(cells: pl.Series) -> Column:
        if cells.dtype.is_nested() or isinstance(cells.dtype, pl.Binary | pl.Object):
            return Column(cells.name, cells, "nested", 0, 0.0)
        text = as_text(cells)
        missing = text.null_count() / max(1, len(text))
        return Column(cells.name, cells, _kind(cells, text), text.n_unique() - (missing > 0), missing)

    @property
    def words(self) -> list[str]:
        return re.split(r"[\W_]+", self.name.casefold())

    @property
    def is_binary(self) -> bool:
        """Whether it holds both 0 and 1, and nothing else but missing values."""
        if self.kind != "number" or self.distinct != 2:
            return False
        values, _ = as_numbers(self.cells)
        return set(np.unique(values[~np.isnan(values)])) == {0.0, 1.0}

    @property
    def names_rows(self) -> bool:
        """Whether nearly every row has a value of its own, and no amount."""
        most = self.distinct >= 0.95 * (1 - self.missing) * len(self.cells) and self.distinct > 20
        return most and (self.kind == "text" or (self.kind == "number" and self.is_whole))

    @property
    def is_whole(self) -> bool:
        values, _ = as_numbers(self.cells)
        seen = values[np.isfinite(values)]
        return bool((seen == np.round(seen)).all())

    @property
    def part_values(self) -> dict[str, str]:
        """Part of the table -> the value that means it; empty unless all its values mean parts."""
        values = [str(value) for value in as_text(self.cells).drop_nulls().unique()] if self.distinct <= 3 else []
        found = {part: value for part, words in PARTS.items() for value in values if value.casefold() in words}
        return found if len(found) == len(values) and "train" in found and len(found) > 1 else {}


def _kind(cells: pl.Series, text: pl.Series) -> str:
    if isinstance(cells.dtype, pl.Date | pl.Datetime):
        return "time"
    if text.null_count() == len(text):
        return "text"
    if not cells.dtype.is_numeric() and text.drop_nulls().str.contains(r"^\d{4}-\d\d-\d\d").all():
        return "text" if as_numbers(cells)[1].any() else "time"
    return "text" if as_numbers(cells)[1].any() else "number"
