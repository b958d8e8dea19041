"""`SampledTable`: the rows of all files, counted, and a sample of them with one type for each column.

Axes: R rows of a frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from aesm_dsl.data.reading.data_file import DataFile, read_frames
from aesm_dsl.data.reading.files import CHUNK_ROWS
from aesm_dsl.data.reading.linear_counter import LinearCounter
from aesm_dsl.data.reading.storage_types import named
from aesm_dsl.data.reading.values import as_numbers, as_text, nameless

SAMPLE_ROWS = 50_000
"""The sample has at least this many rows, evenly spread over the table, and less than twice as many; or all rows."""
MANY = 1_000
"""Columns with more different values in the sample are counted in all rows."""
BITS = 20
"""The counter of a column's values has 2^BITS cells."""
COUNT = "\0rows"
"""The column of counts."""


class SampledTable:
    """The rows of all files, read once, frame by frame.

    Values are compared by their meaning (`as_text`), so a column may be of another type in every file. Memory: the
    sample, and 2^BITS bytes for each column.
    """

    def __init__(self, files: Sequence[DataFile], columns: Sequence[str]) -> None:
        """Reads all rows.

        Args:
            files: the files.
            columns: the columns that all files have.
        """
        self._files = files
        self.rows, step = 0, 1
        pieces: list[tuple[npt.NDArray[np.int64], pl.DataFrame]] = []
        self._same = [name for name in columns if len({str(file.schema[name]) for file in files}) == 1]
        flat = [name for name in self._same if not files[0].schema[name].is_nested()]
        self._seen = {name: LinearCounter(BITS) for name in flat}
        for frame in self._frames(columns):
            for name, seen in self._seen.items():
                seen.update(nameless(frame[name]).hash().to_numpy())
            number_R = np.arange(self.rows, self.rows + frame.height)
            self.rows += frame.height
            pieces.append(_every(step, number_R, frame))
            if sum(len(number_R) for number_R, _ in pieces) >= 2 * SAMPLE_ROWS:
                step *= 2
                pieces = [_every(step, *piece) for piece in pieces]
        frames = [frame for _, frame in pieces]
        self.sample = pl.DataFrame({name: _one_type([frame[name] for frame in frames]) for name in columns})

    def distinct(self, name: str) -> int | None:
        """Returns about how many different values a column has in all rows; None if the sample says it."""
        column = nameless(self.sample[name])
        if self.rows == len(column) or name not in self._seen or column.n_unique() <= MANY:
            return None
        return self._seen[name].count()

    def counts(self, columns: Sequence[str]) -> pl.DataFrame:
        """Returns every combination of the columns' values and its number of rows, the most frequent first.

        Missing values are null. The count is the last column.
        """
        sums = pl.DataFrame(schema={**dict.fromkeys(columns, pl.String), COUNT: pl.UInt64})
        for frame in self._frames(columns):
            texts = pl.DataFrame({name: as_text(frame[name]) for name in columns})
            counts = texts.group_by(named(columns)).len(COUNT).cast({COUNT: pl.UInt64})
            sums = pl.concat([sums, counts]).group_by(named(columns)).agg(pl.col(COUNT).sum())
        return sums.sort(COUNT, named(columns), descending=True)

    def _frames(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        for file in self._files:
            yield from read_frames(file, columns, CHUNK_ROWS)


def _every(
    step: int, number_R: npt.NDArray[np.int64], frame: pl.DataFrame
) -> tuple[npt.NDArray[np.int64], pl.DataFrame]:
    """The rows of a frame whose numbers in the table are multiples of the step."""
    chosen_R = number_R % step == 0
    return number_R[chosen_R], frame.filter(pl.Series(chosen_R, dtype=pl.Boolean))


def _one_type(pieces: Sequence[pl.Series]) -> pl.Series:
    """Puts pieces together; pieces of different types as numbers if all are numbers, else as text."""
    if not pieces:
        return pl.Series(dtype=pl.String)
    if len({str(piece.dtype) for piece in pieces}) == 1:
        return pl.concat(pieces)
    if all(piece.dtype.is_numeric() or piece.dtype == pl.Boolean for piece in pieces):
        if all(piece.dtype.is_integer() for piece in pieces):
            return pl.concat([piece.cast(pl.Int128) for piece in pieces])
        return pl.Series(pieces[0].name, np.concatenate([as_numbers(piece)[0] for piece in pieces]), nan_to_null=True)
    return pl.concat([as_text(piece) for piece in pieces])
