"""Rows that Python holds -> a `DataFile` without a file: one frame of polars, pandas or Arrow, or several in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeGuard

import polars as pl

from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.findings.diagnostic import Findings


class ArrowStream(Protocol):
    """A table that exports itself as an Arrow C stream, such as those of pyarrow, DuckDB, polars and pandas."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class PandasFrame(Protocol):
    """What is used of a pandas DataFrame; pandas need not be installed."""

    @property
    def columns(self) -> Any:
        """The names of the columns."""

    @property
    def iloc(self) -> Any:
        """Only pandas has it: a frame is recognised by it."""

    def __getitem__(self, column: Any, /) -> Any: ...


FrameLike: TypeAlias = pl.DataFrame | ArrowStream | PandasFrame | Mapping[str, Any]
"""One frame of rows; a mapping goes from the names of columns to their values."""
TableLike: TypeAlias = FrameLike | pl.LazyFrame | Iterable[FrameLike] | Callable[[], Iterable[FrameLike]]
"""Rows in memory: a frame, an iterable of frames that can be iterated more than once (a list, not a generator), or a
function that returns an iterator of frames at every call. Of several frames only one is in memory at a time, if the
function makes them one by one."""


def open_frames(data: TableLike, name: str, findings: Findings) -> list[DataFile]:
    """Returns the rows as one file called `name`; an empty list after adding E502 or E505 if they are no table."""
    helps = "pass a polars, pandas or Arrow table, a list of them, or a function that returns an iterator of them"
    if isinstance(data, Iterator):
        findings.add("E502", f"{name} can be iterated only once, but is read more than once", help=helps)
        return []
    frames = partial(_frames, data)
    try:
        schema = next(frames()).collect_schema()
    except StopIteration:
        findings.add("E505", f"no rows in {name}", help=helps)
        return []
    except (TypeError, ValueError, AttributeError, ImportError, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        findings.add("E502", f"{name} cannot be read as a table: {reason[0]}", help=helps)
        return []
    return [DataFile(Path(name), name, schema, frames)]


def _frames(data: TableLike) -> Iterator[pl.DataFrame]:
    if isinstance(data, pl.LazyFrame):
        yield from data.collect_batches(maintain_order=True)
    elif _is_frame(data):
        yield _to_polars(data)
    elif callable(data):
        yield from map(_to_polars, data())
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes):
        yield from map(_to_polars, data)  # type: ignore[arg-type]
    else:
        raise TypeError(f"`{type(data).__name__}` is no table")


def _is_frame(data: object) -> TypeGuard[FrameLike]:
    return isinstance(data, pl.DataFrame | Mapping) or hasattr(data, "__arrow_c_stream__") or _is_pandas(data)


def _is_pandas(frame: object) -> TypeGuard[PandasFrame]:
    return hasattr(frame, "iloc")


def _to_polars(frame: FrameLike) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    if _is_pandas(frame):
        return pl.DataFrame({str(name): _pandas_column(frame[name]) for name in frame.columns})
    if _is_frame(frame):
        return pl.DataFrame(frame)  # type: ignore[arg-type]
    raise TypeError(f"`{type(frame).__name__}` is no table")


def _pandas_column(column: Any) -> pl.Series:
    # Through a list: polars would need pyarrow for pandas' columns of objects and extension types.
    if column.dtype == object or not hasattr(column.dtype, "kind") or column.dtype.kind not in "biufmM":
        return pl.Series([None if value is None or value != value else value for value in column.tolist()])
    return pl.Series(column.to_numpy())
