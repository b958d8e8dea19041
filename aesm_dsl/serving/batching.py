"""`Batcher`: rows of concurrent requests, scored together, each request given its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aesm_dsl.data.batch import Batch
from aesm_dsl.serving.engine import Floats, joined


class FullError(Exception):
    """As many rows wait as may."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    batch: Batch
    answer: asyncio.Future[Floats]


class Batcher:
    """Scores in one thread: what came while it was busy is scored together next, up to `batch_rows` at a time.

    wait_s      how long the first rows wait for others that come with them; 0 scores at once what is there
    queue_rows  rows that may wait; more are refused
    seen        called with the rows of every batch
    """

    def __init__(
        self,
        score: Callable[[Batch], Floats],
        batch_rows: int,
        wait_s: float,
        queue_rows: int,
        seen: Callable[[int], None],
    ) -> None:
        self._score, self._seen = score, seen
        self._batch_rows, self._wait_s, self._queue_rows = batch_rows, wait_s, queue_rows
        self._queue: deque[_Waiting] = deque()
        self._came = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "score")
        self.rows = 0
        """That wait."""

    async def score(self, batch: Batch) -> Floats:
        """The rows' probabilities. Raises FullError, and whatever scoring raises."""
        if self._queue and self.rows + batch.rows > self._queue_rows:
            raise FullError
        waiting = _Waiting(batch, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self.rows += batch.rows
        self._came.set()
        return await waiting.answer

    async def work(self) -> None:
        """Scores until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._came.wait()
            if self._wait_s and self.rows < self._batch_rows:
                await asyncio.sleep(self._wait_s)
            taken = self._take()
            if not taken:
                continue
            try:
                batch = joined([one.batch for one in taken])
                self._seen(batch.rows)
                found = await loop.run_in_executor(self._thread, self._score, batch)
            except Exception as error:
                for one in taken:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                continue
            start = 0
            for one in taken:
                if not one.answer.done():
                    one.answer.set_result(found[start : start + one.batch.rows])
                start += one.batch.rows

    def _take(self) -> list[_Waiting]:
        """The requests that are scored next; nobody waits any more for those that were given up."""
        taken: list[_Waiting] = []
        rows = 0
        while self._queue and (not taken or rows + self._queue[0].batch.rows <= self._batch_rows):
            one = self._queue.popleft()
            self.rows -= one.batch.rows
            if not one.answer.done():
                taken.append(one)
                rows += one.batch.rows
        if not self._queue:
            self._came.clear()
        return taken
