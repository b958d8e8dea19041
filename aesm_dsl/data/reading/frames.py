"""Rows that Python holds -> a `DataFile` without a file: frames of polars, pandas or Arrow, or many of them in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.findings.diagnostic import Findings

FrameLike = Any
"""A polars DataFrame or LazyFrame, a pandas DataFrame, whatever speaks Arrow (`__arrow_c_stream__`), or a mapping of
columns to their values."""
TableLike = Any
"""A `FrameLike`, an iterable of them that can be gone through again (a list; no generator), or a function that returns one
at every call. Of an iterable one frame after the other is in memory."""


def open_frames(data: TableLike, name: str, findings: Findings) -> list[DataFile]:
    """The data as one file called `name`; nothing after adding E502 where it is no table."""
    helps = "pass a polars, pandas or Arrow table, a list of them, or a function that returns an iterator of them"
    if isinstance(data, Iterator):
        findings.add("E502", f"{name} can be gone through only once, and is read more often", help=helps)
        return []
    frames = partial(_frames, data)
    try:
        schema = next(frames()).collect_schema()
    except StopIteration:
        findings.add("E505", f"no rows in {name}", help=helps)
        return []
    except (TypeError, ValueError, AttributeError, ImportError, pl.exceptions.PolarsError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        findings.add("E502", f"{name} cannot be read as a table: {said[0]}", help=helps)
        return []
    return [DataFile(Path(name), name, schema, frames)]


def _frames(data: TableLike) -> Iterator[pl.DataFrame]:
    if isinstance(data, pl.LazyFrame):
        yield from data.collect_batches(maintain_order=True)
    elif _is_frame(data):
        yield _frame(data)
    elif isinstance(data, Callable):  # type: ignore[arg-type]
        yield from map(_frame, data())
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes):
        yield from map(_frame, data)
    else:
        raise TypeError(f"`{type(data).__name__}` is no table")


def _is_frame(data: Any) -> bool:
    return isinstance(data, pl.DataFrame | Mapping) or hasattr(data, "__arrow_c_stream__") or hasattr(data, "iloc")


def _frame(data: FrameLike) -> pl.DataFrame:
    if isinstance(data, pl.DataFrame):
        return data
    if hasattr(data, "iloc"):  # pandas, which need not be installed
        return pl.DataFrame({str(name): _series(data[name]) for name in data.columns})
    if _is_frame(data):
        return pl.DataFrame(data)
    raise TypeError(f"`{type(data).__name__}` is no table")


def _series(column: Any) -> pl.Series:
    """A pandas column. Text columns hold Python objects, which polars takes over without pyarrow."""
    if column.dtype == object or not hasattr(column.dtype, "kind") or column.dtype.kind not in "biufmM":
        return pl.Series([None if value is None or value != value else value for value in column.tolist()])
    return pl.Series(column.to_numpy())
