"""Rows that Python holds -> a `DataFile` without a file: one frame of polars, pandas or Arrow, or several in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeGuard

import polars as pl

from aesm_dsl.data.reading.convert_frame import to_polars
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.read_errors import first_line, is_panic
from aesm_dsl.data.reading.storage_types import read_intervals, storage_schema
from aesm_dsl.data.reading.unreadable import LostRowsError, UnreadableError
from aesm_dsl.findings.diagnostic import Findings

RECORDS = 2**16
"""Rows that come as mappings, one by one, are put into frames of this many."""


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
Rows: TypeAlias = Iterable[pl.DataFrame | ArrowStream | PandasFrame] | Iterable[Mapping[str, Any]]
"""Frames, or rows: then each mapping is one row, from the names of columns to its cells."""
TableLike: TypeAlias = FrameLike | pl.LazyFrame | Rows | Callable[[], Rows]
"""Rows in memory: a frame, an iterable of frames or rows that can be iterated more than once (a list, not a generator),
or a function that returns an iterator of them at every call. Of several frames only one is in memory at a time, if the
function makes them one by one."""

_Columns: TypeAlias = tuple[tuple[str, str], ...]
_HELP = "pass a polars, pandas or Arrow table, a list of them, or a function that returns an iterator of them"


def open_frames(data: TableLike, name: str, findings: Findings) -> list[DataFile]:
    """Returns the rows as one file called `name`; an empty list after adding E502 or E505 if they are no table.

    All frames are looked at once: each may have other columns, or other types of them.
    """
    if isinstance(data, Iterator):
        findings.add("E502", f"{name} can be iterated only once, but is read more than once", help=_HELP)
        return []
    read_intervals()
    seen, rows = dict[_Columns, DataFile](), 0
    try:
        if isinstance(data, pl.LazyFrame):
            schema = storage_schema(data.collect_schema())
            return [DataFile(Path(name), name, schema, frames=partial(_frames, data))]
        for number, frame in enumerate(_frames(data), 1):
            rows += frame.height
            schema = storage_schema(frame.schema)
            seen.setdefault(_columns(schema), DataFile(Path(name), f"frame {number} of {name}", schema))
    except BaseException as error:
        expected = (TypeError, ValueError, AttributeError, ImportError, KeyError, pl.exceptions.PolarsError)
        if not isinstance(error, expected) and not is_panic(error):
            raise
        reason = first_line(str(error)) if str(error).strip() else type(error).__name__
        findings.add("E502", f"{name} cannot be read as a table: {reason}", help=_HELP)
        return []
    if not seen:
        findings.add("E505", f"no rows in {name}", help=_HELP)
        return []
    variants = tuple(seen.values())
    shared = [column for column in variants[0].schema if all(column in other.schema for other in variants)]
    schema = pl.Schema({column: variants[0].schema[column] for column in shared})
    again = partial(_again, data, frozenset(seen), rows)
    return [DataFile(Path(name), name, schema, frames=again, variants=variants if len(variants) > 1 else ())]


def _columns(schema: pl.Schema) -> _Columns:
    return tuple(sorted((name, str(dtype)) for name, dtype in schema.items()))


def _again(data: TableLike, known: frozenset[_Columns], rows: int) -> Iterator[pl.DataFrame]:
    """The frames again, which have to be those that `open_frames` looked at."""
    read = 0
    for number, frame in enumerate(_frames(data), 1):
        if _columns(storage_schema(frame.schema)) not in known:
            help = "return the same rows at every call"
            raise UnreadableError(f"frame {number} has other columns than when it was read before", help)
        read += frame.height
        yield frame
    if read != rows:
        raise LostRowsError(read, rows, "it returns other rows when it is read again")


def _frames(data: TableLike) -> Iterator[pl.DataFrame]:
    if isinstance(data, pl.LazyFrame):
        yield from data.collect_batches(maintain_order=True)
    elif _is_frame(data):
        yield to_polars(data)
    elif callable(data):
        yield from _frames_of(data())
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes):
        yield from _frames_of(data)
    else:
        raise TypeError(f"`{type(data).__name__}` is no table")


def _frames_of(items: Iterable[Any]) -> Iterator[pl.DataFrame]:
    """The frames of an iterable of frames, or of rows."""
    rest = iter(items)
    first = next(rest, None)
    if first is None:
        return
    if not isinstance(first, Mapping):
        for item in chain([first], rest):
            if isinstance(item, Mapping) or not _is_frame(item):
                raise TypeError(f"`{type(item).__name__}` is no table")
            yield to_polars(item)
        return
    records: list[Mapping[str, Any]] = []
    for item in chain([first], rest):
        if not isinstance(item, Mapping):
            raise TypeError(f"`{type(item).__name__}` is no row")
        records.append(item)
        if len(records) == RECORDS:
            yield _table_of(records)
            records = []
    if records:
        yield _table_of(records)


def _table_of(records: list[Mapping[str, Any]]) -> pl.DataFrame:
    names = dict.fromkeys(name for record in records for name in record)
    return to_polars({name: [record.get(name) for record in records] for name in names})


def _is_frame(data: object) -> TypeGuard[FrameLike]:
    return isinstance(data, pl.DataFrame | Mapping) or hasattr(data, "__arrow_c_stream__") or hasattr(data, "iloc")
