"""`TableWriter`: frames to a .parquet or .csv file, one after the other, written in a thread of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Full, Queue
from types import TracebackType
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from aesm_dsl.data.reading.files import CHUNK_ROWS

GROUP_ROWS = CHUNK_ROWS
"""Rows of a parquet file that are written together, and held until then."""

POLL_S = 0.2
"""How often a frame that waits to be taken looks whether the writing has failed."""


class _StoppedError(Exception):
    """The frames end before the table does."""


class TableWriter:
    """Takes frames in a `with`; at its end the file is complete, unless an error leaves it.

    ending  the kind of file, .csv or .parquet, whatever the path ends with
    schema  of every frame
    Polars asks for frames and waits for them in a thread of its own; they are made where `put` is called. One waits at
    most, besides those of a row group. Raises OSError.
    """

    def __init__(self, path: Path, ending: str, schema: pl.Schema) -> None:
        self._path, self._ending, self._schema = path, ending, schema
        self._frames: Queue[pl.DataFrame | _StoppedError | None] = Queue(1)
        self._thread = ThreadPoolExecutor(1, "write")

    def __enter__(self) -> TableWriter:
        self._written: Future[None] = self._thread.submit(self._write)
        return self

    def put(self, frame: pl.DataFrame) -> None:
        self._hand(frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._hand(None)
                self._written.result()
            else:
                with contextlib.suppress(OSError):  # the error that came first is told
                    self._hand(_StoppedError())
        finally:
            self._thread.shutdown()

    def _hand(self, one: pl.DataFrame | _StoppedError | None) -> None:
        while True:
            try:
                return self._frames.put(one, timeout=POLL_S)
            except Full:
                if self._written.done():
                    return self._written.result()

    def _write(self) -> None:
        lazy: Any = register_io_source(self._source, schema=self._schema)
        try:
            if self._ending == ".csv":
                lazy.sink_csv(self._path)
            else:
                lazy.sink_parquet(self._path, row_group_size=GROUP_ROWS)
        except pl.exceptions.PolarsError as error:
            raise OSError(str(error).rpartition("IO error: ")[2]) from None

    def _source(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        while (one := self._frames.get()) is not None:
            if isinstance(one, _StoppedError):
                raise one
            yield one
