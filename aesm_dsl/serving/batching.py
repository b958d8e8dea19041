"""`Batcher`: scores the rows of concurrent requests together, and gives each request its own scores."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aesm_dsl.data.batch import Batch
from aesm_dsl.serving.engine import Probabilities, join_batches


class QueueFullError(Exception):
    """Too many rows wait to be scored."""


@dataclass(frozen=True, slots=True)
class _QueuedBatch:
    """The rows of one request that wait to be scored."""

    batch: Batch
    scores: asyncio.Future[Probabilities]


class Batcher:
    """Scores batches in one thread: those that arrive while it is busy are scored together next.

    Attributes:
        waiting_rows: rows that wait to be scored.
    """

    def __init__(
        self,
        score: Callable[[Batch], Probabilities],
        *,
        batch_rows: int,
        wait_s: float,
        queue_rows: int,
        on_batch: Callable[[int], None],
    ) -> None:
        """Makes a batcher; `work` has to run for it to score.

        Args:
            score: scores the rows of a batch.
            batch_rows: the most rows of several requests that are scored together.
            wait_s: how long the first rows wait for others to be scored with, in seconds; 0 scores at once.
            queue_rows: the most rows that may wait; more are refused.
            on_batch: called with the number of rows of every batch.
        """
        self._score, self._on_batch = score, on_batch
        self._batch_rows, self._wait_s, self._queue_rows = batch_rows, wait_s, queue_rows
        self._queue: deque[_QueuedBatch] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "score")
        self.waiting_rows = 0

    async def score(self, batch: Batch) -> Probabilities:
        """Waits for the scores of a request's rows.

        Raises:
            QueueFullError: too many rows wait already.
            Exception: whatever scoring raises.
        """
        # A request of more rows than may wait is accepted by an empty queue, or it could never be answered.
        if self._queue and self.waiting_rows + batch.rows > self._queue_rows:
            raise QueueFullError
        queued = _QueuedBatch(batch, asyncio.get_running_loop().create_future())
        self._queue.append(queued)
        self.waiting_rows += batch.rows
        self._arrived.set()
        return await queued.scores

    async def work(self) -> None:
        """Scores what waits, until it is cancelled."""
        while True:
            await self._arrived.wait()
            if self._wait_s and self.waiting_rows < self._batch_rows:
                await asyncio.sleep(self._wait_s)
            taken = self._take()
            if not taken:
                continue
            try:
                await self._answer(taken)
            except Exception as error:
                if len(taken) == 1:
                    _fail(taken[0], error)
                else:  # the others shall not fail with the one that is to blame
                    for queued in taken:
                        try:
                            await self._answer([queued])
                        except Exception as own:
                            _fail(queued, own)

    async def _answer(self, taken: list[_QueuedBatch]) -> None:
        """Scores batches together, and gives each its scores."""
        batch = join_batches([queued.batch for queued in taken])
        self._on_batch(batch.rows)
        scores = await asyncio.get_running_loop().run_in_executor(self._thread, self._score, batch)
        start = 0
        for queued in taken:
            if not queued.scores.done():
                queued.scores.set_result(scores[start : start + queued.batch.rows])
            start += queued.batch.rows

    def _take(self) -> list[_QueuedBatch]:
        """Removes the batches that are scored next from the queue, and drops those whose request was given up."""
        taken: list[_QueuedBatch] = []
        rows = 0
        while self._queue and (not taken or rows + self._queue[0].batch.rows <= self._batch_rows):
            queued = self._queue.popleft()
            self.waiting_rows -= queued.batch.rows
            if not queued.scores.done():
                taken.append(queued)
                rows += queued.batch.rows
        if not self._queue:
            self._arrived.clear()
        return taken


def _fail(queued: _QueuedBatch, error: Exception) -> None:
    if not queued.scores.done():
        queued.scores.set_exception(error)
