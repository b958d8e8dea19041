"""The encoders of lists, and of sequences whose values at one place make a step.

Axes: R rows, I values of all rows in one flat array, S slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from aesm_dsl.data.encoding.feature_encoders import Ids, SingleIdEncoder
from aesm_dsl.data.reading.elapsed import bucket_of_seconds, elapsed_seconds
from aesm_dsl.data.reading.lists import fill_slots, flatten
from aesm_dsl.plan.features import ELAPSED_ROWS
from aesm_dsl.plan.plan import MISSING


@dataclass(frozen=True, slots=True)
class ListEncoder:
    """The ids of the first `slots` values of a list, without missing ones; PAD in unused slots."""

    name: str
    column: str
    of: SingleIdEncoder
    slots: int
    last: bool
    """Takes the last values instead, the newest in the first slot."""
    separator: str
    """Separator of lists that are written as text."""

    @property
    def rows(self) -> int:
        return self.of.rows

    def ids(self, column: pl.Series) -> Ids:
        values, row_I = flatten(column, self.separator)
        ids_I = self.of.ids(values)
        present_I = ids_I != MISSING
        return fill_slots(ids_I[present_I], row_I[present_I], len(column), self.slots, self.last)


@dataclass(frozen=True, slots=True)
class ElapsedEncoder:
    """The bucket of the seconds from a time to that of its row (`ELAPSED_ROWS`): 0 missing, 1 less than a second."""

    name: str
    column: str
    until: str
    """The column of the row's own time; if empty, the values are the seconds that have passed."""
    format: str = ""
    """How both times are written as text, in the signs of `strptime`; empty for ISO text and numbers."""

    @property
    def rows(self) -> int:
        return ELAPSED_ROWS


@dataclass(frozen=True, slots=True)
class StepsEncoder:
    """The ids of a sequence's last values, the newest in the first slot; PAD in unused slots.

    A missing value has the id MISSING, unless all values of its step are missing, its time aside: such a step is left
    out.
    """

    name: str
    column: str
    of: SingleIdEncoder | ElapsedEncoder
    slots: int
    separator: str
    """Separator of lists that are written as text."""
    steps: tuple[str, ...]
    """The names of all sequences of the same steps, this one among them, in the plan's order."""

    @property
    def rows(self) -> int:
        return self.of.rows

    @property
    def timed(self) -> bool:
        """Whether the values are times."""
        return isinstance(self.of, ElapsedEncoder)

    def flat_ids(self, frame: pl.DataFrame) -> tuple[Ids, Ids]:
        """Returns the ids of all values, and the row of each."""
        values, row_I = flatten(frame[self.column], self.separator)
        if isinstance(self.of, ElapsedEncoder):
            own = frame[self.of.until] if self.of.until else None
            return bucket_of_seconds(elapsed_seconds(values, row_I, own, self.of.format)), row_I
        return self.of.ids(values), row_I


def encode_steps(encoders: Sequence[StepsEncoder], frame: pl.DataFrame) -> list[Ids]:
    """Returns ids_RS of each of the sequences, which have the same steps.

    In rows whose sequences are not of one length, which are reported elsewhere, there are no steps.
    """
    flat = [encoder.flat_ids(frame) for encoder in encoders]
    counts = [np.bincount(row_I, minlength=frame.height) for _, row_I in flat]
    even_R = np.all([count == counts[0] for count in counts], axis=0)
    ids = [ids_I[even_R[row_I]] for ids_I, row_I in flat]
    row_I = flat[0][1]
    row_I = row_I[even_R[row_I]]
    saying = [ids_I for ids_I, encoder in zip(ids, encoders, strict=True) if not encoder.timed] or ids
    there_I = np.any([ids_I != MISSING for ids_I in saying], axis=0)
    return [
        fill_slots(ids_I[there_I], row_I[there_I], frame.height, encoder.slots, last=True)
        for ids_I, encoder in zip(ids, encoders, strict=True)
    ]
