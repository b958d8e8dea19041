"""`SeenIds`: the ids of a feature that training rows have, renumbered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aesm_dsl.training.metrics.scores import Whole


@dataclass(frozen=True, slots=True)
class SeenIds:
    """Ids and their codes: the place among these ids, in ascending order."""

    id_N: Whole
    complete: bool
    """Whether these are all ids that training rows have."""

    @staticmethod
    def of(ids: Whole, most: int | None = None) -> SeenIds:
        """Returns the ids that occur; of more than `most`, the most frequent ones, of equal ones the lower ids."""
        known, counts = np.unique(ids, return_counts=True)
        if most is None or len(known) <= most:
            return SeenIds(known, True)
        return SeenIds(np.sort(known[np.argsort(-counts, kind="stable")[:most]]), False)

    def codes(self, ids: Whole) -> Whole:
        """Returns the code of each id, -1 for others."""
        if not len(self.id_N):
            return np.full(ids.shape, -1, np.int64)
        place = np.minimum(np.searchsorted(self.id_N, ids), len(self.id_N) - 1)
        return np.where(self.id_N[place] == ids, place, -1)
