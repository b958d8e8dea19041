"""`TableWriter`: writes frames one after the other to a .parquet or .csv file, in a thread of its own."""

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
"""Rows of a row group of a parquet file, which are held in memory until they are written together."""

POLL_S = 0.2
"""How often `put` checks whether writing has failed while its frame waits to be taken, in seconds."""


class _StoppedError(Exception):
    """Ends the stream of frames before the table is complete."""


class TableWriter:
    """Takes frames within a `with` block; when it ends without an error, the file is complete.

    Frames are made in the thread that calls `put`; Polars asks for them in another thread and writes them. At most one
    frame waits, besides those of a row group.

    Raises:
        OSError: the file cannot be written; raised by `put`, or when the block ends.
    """

    def __init__(self, path: Path, ending: str, schema: pl.Schema) -> None:
        """Makes a writer.

        Args:
            path: the file.
            ending: the kind of file, ".csv" or ".parquet", whatever the path ends with.
            schema: columns of every frame.
        """
        self._path, self._ending, self._schema = path, ending, schema
        self._frames: Queue[pl.DataFrame | _StoppedError | None] = Queue(1)
        self._thread = ThreadPoolExecutor(1, "write")

    def __enter__(self) -> TableWriter:
        self._written: Future[None] = self._thread.submit(self._write)
        return self

    def put(self, frame: pl.DataFrame) -> None:
        """Hands over the next frame; waits until there is room for it."""
        self._enqueue(frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._enqueue(None)
                self._written.result()
            else:
                with contextlib.suppress(OSError):  # the error that came first is the one to raise
                    self._enqueue(_StoppedError())
        finally:
            self._thread.shutdown()

    def _enqueue(self, item: pl.DataFrame | _StoppedError | None) -> None:
        """Puts a frame into the queue, or what ends it: None if the table is complete. Raises what writing raised."""
        # With a timeout: after a failure nobody takes frames any more.
        while True:
            try:
                return self._frames.put(item, timeout=POLL_S)
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
            # Polars wraps the system's error while it writes parquet; the system's own message comes last.
            raise OSError(str(error).rpartition("IO error: ")[2]) from None

    def _source(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        """The frames of the queue. Polars asks for all columns and rows of them, since nothing filters them."""
        while (item := self._frames.get()) is not None:
            if isinstance(item, _StoppedError):
                raise item
            yield item
