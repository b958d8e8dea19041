"""`SampledTable`: the rows of all files, with the same types in each, and a sample of them for guessing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from aesm_dsl.data.reading.data_file import DataFile, scan
from aesm_dsl.data.reading.storage_types import named
from aesm_dsl.data.reading.values import as_numbers, as_text

SAMPLE_ROWS = 50_000
"""Rows of the sample, evenly spread over the table."""
COUNT = "\0rows"
"""The column of counts."""
MANY = 1_000
"""Columns with more different values in the sample are counted in all rows."""


class SampledTable:
    """All rows of the files, scanned lazily, and a sample of them.

    Values are compared by their meaning (`as_text`), so a column may be of another type in every file.
    """

    def __init__(self, files: Sequence[DataFile], columns: Sequence[str]) -> None:
        """Reads the sample.

        Args:
            files: the files.
            columns: the columns that all files have.
        """
        self._parts = [scan(file).select(named(columns)) for file in files]
        heights = [int(part.select(pl.len()).collect().item()) for part in self._parts]
        self.rows = sum(heights)
        step = max(1, self.rows // SAMPLE_ROWS)
        starts = (-np.cumsum([0, *heights[:-1]])) % step
        samples = [
            part.gather_every(step, int(start)).collect() for part, start in zip(self._parts, starts, strict=True)
        ]
        same = {name: len({str(file.schema[name]) for file in files}) == 1 for name in columns}
        self._same = [name for name, alike in same.items() if alike]
        self.sample = pl.DataFrame(
            [
                pl.concat([sample[name] for sample in samples])
                if same[name]
                else _one_type([sample[name] for sample in samples])
                for name in columns
            ]
        )

    def distinct(self, name: str) -> int | None:
        """Returns about how many different values a column has in all rows; None if the sample says it."""
        column = self.sample[name]
        if self.rows == len(column) or name not in self._same or column.dtype.is_nested() or column.n_unique() <= MANY:
            return None
        whole = pl.concat([part.select(named([name])) for part in self._parts])
        return int(whole.select(pl.first().approx_n_unique()).collect().item())

    def counts(self, columns: Sequence[str]) -> pl.DataFrame:
        """Returns every combination of the columns' values and its number of rows, the most frequent first.

        Missing values are null. The count is the last column.
        """
        texts = []
        for part in self._parts:
            counts = part.select(named(columns)).group_by(named(columns)).len(COUNT).collect()
            texts.append(pl.DataFrame([*(as_text(counts[name]).alias(name) for name in columns), counts[COUNT]]))
        sums = pl.concat(texts).group_by(named(columns)).agg(pl.col(COUNT).sum())
        return sums.sort(COUNT, named(columns), descending=True)


def _one_type(pieces: Sequence[pl.Series]) -> pl.Series:
    """Puts pieces of different types together: as numbers if all are numbers, else as text."""
    if all(piece.dtype.is_numeric() or piece.dtype == pl.Boolean for piece in pieces):
        if all(piece.dtype.is_integer() for piece in pieces):
            return pl.concat([piece.cast(pl.Int128) for piece in pieces])
        return pl.Series(pieces[0].name, np.concatenate([as_numbers(piece)[0] for piece in pieces]), nan_to_null=True)
    return pl.concat([as_text(piece).rename(pieces[0].name) for piece in pieces])
