"""Checked rows -> batches, encoded as they are read. Reading (`open_tables`) needs no torch; this module does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from aesm_dsl.data.batch import NOBODY, Batch
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.row_sketch import SeenRows, row_hashes
from aesm_dsl.data.open_tables import TableReader
from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.hashing import hash64


class EncodedStream:
    """The rows of one part, encoded as they are read, to be used once and in order.

    What is wrong with the rows is added to the reader's findings after the last batch.

    Args:
        reader: of the rows.
        encoders: of the run.
        part: "train", "valid" or "test".
        seen: is shown all rows, if anybody asks which of them the run was trained on.
    """

    def __init__(self, reader: TableReader, encoders: Encoders, part: str, seen: SeenRows | None = None) -> None:
        self._reader, self._encoders, self._part, self._seen = reader, encoders, part, seen

    def batches(self, rows: int) -> Iterator[Batch]:
        """Yields batches of at most `rows` rows; none after a chunk with a wrong row."""
        source = self._part if self._part in self._reader.files else "train"
        splits = self._reader.splits() if source == "train" else None
        for part, chunk in self._reader.checked(source, splits, halt=True):
            if part == self._part:
                encoded = self._encoders.encode(chunk.rows.frame)
                user_RU, query_RQ = (numbers(chunk, column) for column in (self._reader.user, self._reader.query))
                if self._seen is not None:
                    self._seen.update(row_hashes(self._reader.plan, chunk, (*encoded, user_RU)))
                yield from _batches(encoded, chunk, rows, user_RU, query_RQ)


def encode_batches(encoders: Encoders, chunk: CheckedRows, rows: int) -> Iterator[Batch]:
    """Yields the chunk's rows as batches of at most `rows` rows."""
    nobody = numbers(chunk, None)
    yield from _batches(encoders.encode(chunk.rows.frame), chunk, rows, nobody, nobody)


def _batches(
    encoded: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    chunk: CheckedRows,
    rows: int,
    user_RU: npt.NDArray[np.int64],
    query_RQ: npt.NDArray[np.int64],
) -> Iterator[Batch]:
    ids_RS, value_RV = (torch.from_numpy(part) for part in encoded)
    node_RL, label_RT, weight_R = (torch.from_numpy(part) for part in (chunk.node_RL, chunk.label_RT, chunk.weight_R))
    user_R, query_R = (torch.from_numpy(part[:, 0]) if part.shape[1] else None for part in (user_RU, query_RQ))
    for start in range(0, len(chunk), rows):
        cut = slice(start, start + rows)
        parts = ids_RS[cut].long(), value_RV[cut], node_RL[cut], label_RT[cut], weight_R[cut]
        whose = (None if part is None else part[cut] for part in (user_R, query_R))
        yield Batch(*parts, *whose)


def numbers(chunk: CheckedRows, column: str | None) -> npt.NDArray[np.int64]:
    """Returns the hash of each row's user (or query), NOBODY if it is missing.

    Args:
        chunk: the rows.
        column: of the users or queries; None if there is none.

    Returns:
        int64 (R, 1), or (R, 0) without a column.
    """
    if column is None:
        return np.zeros((len(chunk), 0), np.int64)
    hashes_R, missing_R = hash64(chunk.as_read.frame[column])
    # NOBODY is 0: what has the hash 0 gets the next number.
    return np.where(missing_R, np.uint64(NOBODY), np.maximum(hashes_R, 1)).view(np.int64)[:, None]
