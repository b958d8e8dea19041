"""Which rows of the training table go to the test and validation rows.

Findings: E504 a column that cannot be compared with the split's value, E505 a split that takes no row or all.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from aesm_dsl.data.check import Locate, counted
from aesm_dsl.data.hashing import Hashes, mix
from aesm_dsl.data.value import Mask, as_numbers, as_text
from aesm_dsl.diagnostic import Findings
from aesm_dsl.plan import SplitPlan

PARTS = {"test": "test", "valid": "validation"}


def take(part: str, rule: SplitPlan, frame: pl.DataFrame, seed: int, findings: Findings, locate: Locate) -> Mask | None:
    """The rows that the rule takes out of the frame; None after adding a finding.

    "last" compares numbers and dates by value, text by its characters; it takes the group of largest values
    whose size is closest to the share, at least one value. A missing value is never taken by "last", "from"
    and "equals". "random" depends on the seed, the part and the number of rows only, on every machine alike.
    """
    if frame.height == 0:
        return np.zeros(0, dtype=np.bool_)
    if rule.kind == "random":
        taken: Mask | None = _random(rule.share or 0.0, frame.height, seed, 1 if part == "test" else 2)
    else:
        assert rule.column is not None
        column = frame[rule.column]
        if rule.kind == "last":
            taken = _last(column, rule.share or 0.0)
        elif rule.kind == "from":
            taken = _from(column, rule.value)
        elif rule.kind == "equals":
            wanted = as_text(pl.Series([rule.value]))[0]
            taken = (as_text(column) == wanted).fill_null(False).to_numpy()
        else:
            raise ValueError(f"unknown kind of split {rule.kind!r}")
    name, span = PARTS[part], locate(f"data.{part}")
    if taken is None:
        message = f"the {name} split cannot compare column `{rule.column}` ({_kind(column)}) with `{rule.value}`"
        findings.add("E504", message, span, help="compare dates with an ISO date, numbers with a number")
        return None
    if taken.all() or not taken.any():
        what = f"all {counted(frame.height)}, leaving none to train on" if taken.any() else "no rows"
        of = f" by column `{rule.column}`" if rule.column else ""
        helps = "" if rule.kind == "random" else _range(column)
        findings.add("E505", f"the {name} split{of} takes {what}", span, label="no rows", help=helps)
        return None
    return taken


def _random(share: float, rows: int, seed: int, part: int) -> Mask:
    """The rows with the smallest hashes of (seed, part, row number)."""
    start: Hashes = mix(mix(np.array([seed % 2**64], dtype=np.uint64)) ^ np.uint64(part))
    keys: Hashes = mix(np.arange(rows, dtype=np.uint64) ^ start)
    taken = np.zeros(rows, dtype=np.bool_)
    taken[np.argsort(keys, kind="stable")[: round(share * rows)]] = True
    return taken


def _last(column: pl.Series, share: float) -> Mask:
    order = _ordered(column)
    known = order.is_not_null().to_numpy()
    values, groups, counts = np.unique(order.drop_nulls().to_numpy(), return_inverse=True, return_counts=True)
    taken = np.zeros(len(column), dtype=np.bool_)
    if len(values):
        largest = np.cumsum(counts[::-1])
        best = int(np.abs(largest - share * len(column)).argmin())
        taken[known] = groups >= len(values) - 1 - best
    return taken


def _ordered(column: pl.Series) -> pl.Series:
    """The column as numbers where all of it reads as numbers or dates, else as text; null where missing."""
    values, bad = as_numbers(column)
    return as_text(column) if bad.any() else pl.Series(values).fill_nan(None)


def _from(column: pl.Series, value: str | float | None) -> Mask | None:
    """Rows of at least `value`; None where column and value are not of one kind."""
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        moment = _moment(value)
        if moment is None:
            return None
        days = (moment - datetime(1970, 1, 1)).total_seconds() / 86_400
        return np.asarray(as_numbers(column)[0] >= days)
    numbers, bad = as_numbers(column)
    wanted = _number(value)
    if wanted is not None and not bad.any():
        return np.asarray(numbers >= wanted)
    if isinstance(value, str) and not column.dtype.is_numeric() and column.dtype != pl.Boolean:
        return (as_text(column) >= value).fill_null(False).to_numpy()
    return None


def _moment(value: str | float | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _number(value: str | float | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None


def _kind(column: pl.Series) -> str:
    if isinstance(column.dtype, pl.Date | pl.Datetime):
        return "dates"
    return "numbers" if column.dtype.is_numeric() else "text"


def _range(column: pl.Series) -> str:
    """From where to where its values go, as text, for the help line of a split that does not work."""
    frame = pl.DataFrame({"order": _ordered(column), "text": as_text(column)}).drop_nulls().sort("order")
    if not frame.height:
        return "all its values are missing"
    return f"its values go from `{frame['text'][0]}` to `{frame['text'][-1]}`"
