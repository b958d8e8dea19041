"""`EncodedTable`: a table as ids and numbers, in memory or on disk, and its batches.

Axes: R rows of the table, K rows of a window, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from aesm_dsl.data.batch import Batch
from aesm_dsl.data.store.prefetch import prefetch
from aesm_dsl.data.store.storage import Columns, MemoryStorage, Range, Storage

BLOCK_ROWS = 16_384
"""Rows that are read in one go and stay together on their way into a window."""
WINDOW_BYTES = 128 * 2**20
"""What a window may take in memory. A table that fits into one window is shuffled as a whole."""
STRIPES = 64
"""Pieces of the table that every worker of a distributed run reads, spread evenly over it."""


@dataclass(frozen=True, slots=True)
class EncodedTable:
    stored: Storage
    ranges: tuple[Range, ...]
    """The rows of it that are this table's, in this order."""
    pad: int = 0
    """Rows behind the last one that count for nothing (weight 0, no label), so that all workers take equal steps."""

    @staticmethod
    def of(stored: Storage) -> EncodedTable:
        """All rows of it."""
        return EncodedTable(stored, ((0, stored.rows),))

    @staticmethod
    def held(
        ids_RS: Tensor,
        value_RV: Tensor,
        node_RL: Tensor,
        label_RT: Tensor,
        weight_R: Tensor,
        user_RU: Tensor | None = None,
    ) -> EncodedTable:
        """Rows in memory; what the tensors are says `Columns`."""
        users = torch.zeros(len(weight_R), 0, dtype=torch.int64) if user_RU is None else user_RU
        return EncodedTable.of(MemoryStorage(Columns(ids_RS, value_RV, node_RL, label_RT, weight_R, users)))

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.ranges) + self.pad

    def whole(self) -> Columns:
        """All its rows in memory."""
        return self._padded(self.stored.load(self.ranges))

    def take(self, rows_K: Tensor) -> EncodedTable:
        """The rows of these numbers, in this order, in memory."""
        ends = torch.tensor([0, *(stop - start for start, stop in self.ranges)]).cumsum(0)
        place_K = torch.searchsorted(ends, rows_K, right=True) - 1
        starts = torch.tensor([start for start, _ in self.ranges])
        return EncodedTable.of(MemoryStorage(self.stored.pick(rows_K - ends[place_K] + starts[place_K])))

    def sample(self, rows: int, seed: int) -> EncodedTable:
        """At most so many of its rows, drawn once, in memory."""
        length = len(self) - self.pad
        chosen = np.random.default_rng(seed).choice(length, min(rows, length), replace=False)
        return self.take(torch.from_numpy(chosen))

    def share(self, rank: int, world: int) -> EncodedTable:
        """The rows that worker `rank` of `world` reads, the same in every epoch.

        The shares are disjoint and together they are the table. Each is made of STRIPES ranges that lie evenly all over
        the table, so that every share shows the table's whole stretch of time. Shares differ by at most one row, and
        the shorter ones are padded: all workers take the same number of steps.
        """
        if not 0 <= rank < world:
            raise ValueError(f"there is no worker {rank} of {world}")
        length, stripes = len(self) - self.pad, STRIPES * world
        each, even = length // stripes, length // stripes * stripes
        cuts = [(each * stripe, each * (stripe + 1)) for stripe in range(rank, stripes, world)]
        rest = length - even
        cuts.append((even + rest * rank // world, even + rest * (rank + 1) // world))
        ranges = tuple(one for cut in cuts for one in _within(self.ranges, cut))
        mine = sum(stop - start for start, stop in ranges)
        return EncodedTable(self.stored, ranges, pad=-(-length // world) - mine)

    def batches(self, rows: int, *, seed: int | None = None, epoch: int = 0, skip: int = 0) -> Iterator[Batch]:
        """All rows once, `rows` at a time, the last batch with what is left; made ahead by a thread.

        seed  None: in the table's order. Else in one that depends on the table, `seed` and `epoch` only: blocks of
              BLOCK_ROWS rows are put in a random order, as many of them as fit into WINDOW_BYTES make a window, and all
              rows of a window are shuffled. Every row comes once, and the rows of a batch come from all blocks of
              a window, which lie anywhere in the table
        skip  so many batches from the start are left out without being read, to go on where a run stopped
        """
        if rows < 1:
            raise ValueError(f"a batch needs at least 1 row, not {rows}")
        return prefetch(self._batches(rows, seed, epoch, skip))

    def _batches(self, rows: int, seed: int | None, epoch: int, skip: int) -> Iterator[Batch]:
        pieces: list[Columns] = []
        have = 0
        for piece in self._pieces(rows, seed, epoch, skip * rows):
            pieces.append(piece)
            have += len(piece)
            if have == rows:
                yield _batch(pieces)
                pieces, have = [], 0
        if pieces:
            yield _batch(pieces)

    def _pieces(self, rows: int, seed: int | None, epoch: int, skip: int) -> Iterator[Columns]:
        """The rows in order behind the first `skip`, cut at every multiple of `rows`, and wherever a window ends."""
        done = 0
        for number, ranges in enumerate(self._windows(seed, epoch)):
            length = sum(stop - start for start, stop in ranges)
            end = done + length
            if end > skip:
                window = self.stored.load(ranges)
                order_K = None if seed is None else torch.from_numpy(_chance(seed, epoch, number).permutation(length))
                at = max(skip, done)
                while at < end:
                    stop = min(end, at - at % rows + rows)
                    cut = slice(at - done, stop - done)
                    yield window.take(cut if order_K is None else order_K[cut])
                    at = stop
                del window
            done = end
        if self.pad and skip < len(self):
            yield _nothing(self.stored.load(((0, 1),)), self.pad)

    def _windows(self, seed: int | None, epoch: int) -> Iterator[list[Range]]:
        blocks = [
            (start, min(start + BLOCK_ROWS, last))
            for first, last in self.ranges
            for start in range(first, last, BLOCK_ROWS)
        ]
        if seed is not None:
            blocks = [blocks[place] for place in _chance(seed, epoch, -1).permutation(len(blocks))]
        most = max(1, WINDOW_BYTES // max(1, self.stored.row_bytes))
        window: list[Range] = []
        rows = 0
        for block in blocks:
            length = block[1] - block[0]
            if window and rows + length > most:
                yield window
                window, rows = [], 0
            window.append(block)
            rows += length
        if window:
            yield window

    def _padded(self, columns: Columns) -> Columns:
        return Columns.joined([columns, _nothing(self.stored.load(((0, 1),)), self.pad)]) if self.pad else columns

    @property
    def ids_RS(self) -> Tensor:
        return self.whole().ids_RS

    @property
    def value_RV(self) -> Tensor:
        return self.whole().value_RV

    @property
    def node_RL(self) -> Tensor:
        return self.whole().node_RL

    @property
    def label_RT(self) -> Tensor:
        return self.whole().label_RT

    @property
    def weight_R(self) -> Tensor:
        return self.whole().weight_R


def _batch(pieces: Sequence[Columns]) -> Batch:
    ids_BS, value_BV, node_BL, label_BT, weight_B, user_BU = Columns.joined(pieces).parts
    return Batch(ids_BS.long(), value_BV, node_BL, label_BT, weight_B, user_BU[:, 0] if user_BU.shape[1] else None)


def _nothing(row: Columns, times: int) -> Columns:
    """The row so many times, without labels and with the weight 0."""
    many = row.take(torch.zeros(times, dtype=torch.int64))
    return replace(many, label_RT=torch.full_like(many.label_RT, torch.nan), weight_R=torch.zeros_like(many.weight_R))


def _within(ranges: Sequence[Range], cut: Range) -> Iterator[Range]:
    """The ranges of stored rows that are the table's rows of `cut`."""
    before = 0
    for start, stop in ranges:
        first, last = max(cut[0] - before, 0), min(cut[1] - before, stop - start)
        if first < last:
            yield start + first, start + last
        before += stop - start


def _chance(seed: int, epoch: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed % 2**63, epoch, number + 1])
