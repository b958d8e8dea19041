"""Checked rows -> batches, encoded as they are read. Reading itself (table.py) needs no torch; this does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from aesm_dsl.data.batch import NOBODY, Batch
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.open_tables import TableReader
from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.hashing import hash64


class EncodedStream:
    """The rows of one part, encoded as they are read: for looking at them once, in order. Adds what is wrong with them
    to the reading's findings once its last batch is out."""

    def __init__(self, reading: TableReader, encoders: Encoders, part: str) -> None:
        self._reading, self._encoders, self._part = reading, encoders, part

    def batches(self, rows: int) -> Iterator[Batch]:
        """At most `rows` at a time; none any more once rows are wrong."""
        source = self._part if self._part in self._reading.files else "train"
        splits = self._reading.splits() if source == "train" else None
        for part, chunk in self._reading.checked(source, splits, halt=True):
            if part == self._part:
                yield from encode_batches(self._encoders, chunk, rows, self._reading.user)


def encode_batches(encoders: Encoders, chunk: CheckedRows, rows: int, user: str | None = None) -> Iterator[Batch]:
    """The chunk's rows, at most `rows` at a time; with the numbers of their users where a column of them is named."""
    ids_RS, value_RV = (torch.from_numpy(part) for part in encoders.encode(chunk.rows.frame))
    node_RL, label_RT, weight_R = (torch.from_numpy(part) for part in (chunk.node_RL, chunk.label_RT, chunk.weight_R))
    user_R = None if user is None else torch.from_numpy(user_numbers(chunk, user)[:, 0])
    for start in range(0, len(chunk), rows):
        cut = slice(start, start + rows)
        parts = ids_RS[cut].long(), value_RV[cut], node_RL[cut], label_RT[cut], weight_R[cut]
        yield Batch(*parts, None if user_R is None else user_R[cut])


def user_numbers(chunk: CheckedRows, user: str | None) -> npt.NDArray[np.int64]:
    """int64 (R, 1): the hash of each user, NOBODY where it is missing; (R, 0) without a column of users."""
    if user is None:
        return np.zeros((len(chunk), 0), np.int64)
    hashes_R, missing_R = hash64(chunk.rows.frame[user])
    # The one user whose hash is NOBODY gets the next number.
    return np.where(missing_R, np.uint64(NOBODY), np.maximum(hashes_R, 1)).view(np.int64)[:, None]
