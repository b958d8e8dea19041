"""`EncodedTable`: a table of ids and numbers, in memory or on disk, and its batches.

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
"""Rows that are read at once and go into the same window."""
WINDOW_BYTES = 128 * 2**20
"""Most bytes of a window in memory. A table that fits into one window is shuffled as a whole."""
STRIPES = 64
"""Ranges of the table that every worker of a distributed run reads, spread evenly over the table."""


@dataclass(frozen=True, slots=True)
class EncodedTable:
    """Encoded rows: all rows of a storage, or some ranges of them."""

    stored: Storage
    ranges: tuple[Range, ...]
    """The rows of the storage that belong to this table, in this order."""
    pad: int = 0
    """Rows after the last one that count for nothing (weight 0, no labels), so that all workers take the same number
    of steps."""

    @staticmethod
    def of(stored: Storage) -> EncodedTable:
        """Returns the table of all rows of a storage."""
        return EncodedTable(stored, ((0, stored.rows),))

    @staticmethod
    def in_memory(columns: Columns) -> EncodedTable:
        """Returns the table of these rows."""
        return EncodedTable.of(MemoryStorage(columns))

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.ranges) + self.pad

    def whole(self) -> Columns:
        """Returns all rows, in memory."""
        return self._padded(self.stored.load(self.ranges))

    def take(self, rows_K: Tensor) -> EncodedTable:
        """Returns the rows with these numbers, in this order, in memory."""
        ends = torch.tensor([0, *(stop - start for start, stop in self.ranges)]).cumsum(0)
        range_K = torch.searchsorted(ends, rows_K, right=True) - 1
        starts = torch.tensor([start for start, _ in self.ranges])
        return EncodedTable.in_memory(self.stored.pick(rows_K - ends[range_K] + starts[range_K]))

    def sample(self, rows: int, seed: int) -> EncodedTable:
        """Returns at most `rows` rows, drawn without replacement, in memory."""
        length = len(self) - self.pad
        chosen = np.random.default_rng(seed).choice(length, min(rows, length), replace=False)
        return self.take(torch.from_numpy(chosen))

    def share(self, rank: int, world: int) -> EncodedTable:
        """Returns the rows that worker `rank` of `world` reads, the same in every epoch.

        The shares are disjoint and together make up the table. Each consists of STRIPES ranges that are spread evenly
        over the table, so every share covers the whole time of the table. Shares differ by at most one row, and the
        shorter ones are padded, so all workers take the same number of steps.

        Raises:
            ValueError: there is no such worker.
        """
        if not 0 <= rank < world:
            raise ValueError(f"there is no worker {rank} of {world}")
        length, stripes = len(self) - self.pad, STRIPES * world
        each, even = length // stripes, length // stripes * stripes
        cuts = [(each * stripe, each * (stripe + 1)) for stripe in range(rank, stripes, world)]
        rest = length - even
        cuts.append((even + rest * rank // world, even + rest * (rank + 1) // world))
        ranges = tuple(part for cut in cuts for part in _within(self.ranges, cut))
        rows = sum(stop - start for start, stop in ranges)
        return EncodedTable(self.stored, ranges, pad=-(-length // world) - rows)

    def batches(self, rows: int, *, seed: int | None = None, epoch: int = 0, skip: int = 0) -> Iterator[Batch]:
        """Yields every row once, `rows` at a time, the last batch with the rows that are left; made ahead by a thread.

        Args:
            rows: rows of a batch.
            seed: None for the table's order. Otherwise the order depends only on the table, `seed` and `epoch`: blocks
                of BLOCK_ROWS rows are put in a random order, as many of them as fit into WINDOW_BYTES make a window,
                and all rows of a window are shuffled. So the rows of a batch come from all blocks of a window, and
                these come from anywhere in the table.
            epoch: the number of the epoch.
            skip: how many batches from the start to leave out without reading them, to go on where a run stopped.

        Raises:
            ValueError: `rows` is less than 1.
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
        """The rows in order after the first `skip`, cut at every multiple of `rows` and wherever a window ends."""
        done = 0
        for number, ranges in enumerate(self._windows(seed, epoch)):
            length = sum(stop - start for start, stop in ranges)
            end = done + length
            if end > skip:
                window = self.stored.load(ranges)
                order_K = (
                    None if seed is None else torch.from_numpy(_generator(seed, epoch, number).permutation(length))
                )
                at = max(skip, done)
                while at < end:
                    stop = min(end, at - at % rows + rows)
                    cut = slice(at - done, stop - done)
                    yield window.take(cut if order_K is None else order_K[cut])
                    at = stop
                # Otherwise two windows would be in memory while the next one is read.
                del window
            done = end
        if self.pad and skip < len(self):
            yield _padding(self.stored.load(((0, 1),)), self.pad)

    def _windows(self, seed: int | None, epoch: int) -> Iterator[list[Range]]:
        """The ranges of each window."""
        blocks = [
            (start, min(start + BLOCK_ROWS, last))
            for first, last in self.ranges
            for start in range(first, last, BLOCK_ROWS)
        ]
        if seed is not None:
            blocks = [blocks[index] for index in _generator(seed, epoch, -1).permutation(len(blocks))]
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
        return Columns.joined([columns, _padding(self.stored.load(((0, 1),)), self.pad)]) if self.pad else columns

    @property
    def ids_RS(self) -> Tensor:
        """`Columns.ids_RS` of all rows."""
        return self.whole().ids_RS

    @property
    def value_RV(self) -> Tensor:
        """`Columns.value_RV` of all rows."""
        return self.whole().value_RV

    @property
    def node_RL(self) -> Tensor:
        """`Columns.node_RL` of all rows."""
        return self.whole().node_RL

    @property
    def label_RT(self) -> Tensor:
        """`Columns.label_RT` of all rows."""
        return self.whole().label_RT

    @property
    def weight_R(self) -> Tensor:
        """`Columns.weight_R` of all rows."""
        return self.whole().weight_R


def _batch(pieces: Sequence[Columns]) -> Batch:
    ids_BS, value_BV, node_BL, label_BT, weight_B, *whose = Columns.joined(pieces).parts
    user_B, query_B = (part[:, 0] if part.shape[1] else None for part in whose)
    return Batch(ids_BS.long(), value_BV, node_BL, label_BT, weight_B, user_B, query_B)


def _padding(row: Columns, times: int) -> Columns:
    """The row, repeated, without labels and with the weight 0."""
    rows = row.take(torch.zeros(times, dtype=torch.int64))
    return replace(rows, label_RT=torch.full_like(rows.label_RT, torch.nan), weight_R=torch.zeros_like(rows.weight_R))


def _within(ranges: Sequence[Range], cut: Range) -> Iterator[Range]:
    """The ranges of stored rows that are rows `cut` of the table with these ranges."""
    before = 0
    for start, stop in ranges:
        first, last = max(cut[0] - before, 0), min(cut[1] - before, stop - start)
        if first < last:
            yield start + first, start + last
        before += stop - start


def _generator(seed: int, epoch: int, number: int) -> np.random.Generator:
    return np.random.default_rng([seed % 2**63, epoch, number + 1])
