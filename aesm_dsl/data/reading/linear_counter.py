"""`LinearCounter`: about how many different values there are, by linear counting.

The share of cells of a table that no value's hash falls into says how many values there are (Whang, Vander-Zanden,
Taylor, "A linear-time probabilistic counting algorithm for database applications", TODS 1990).
"""

from __future__ import annotations

import numpy as np

from aesm_dsl.data.reading.hashing import Hashes


class LinearCounter:
    """Counts values by their 64-bit hashes.

    Args:
        bits: the table has 2^bits cells, of a byte each. It counts up to a few times as many values.
    """

    def __init__(self, bits: int) -> None:
        self._shift, self._seen = np.uint64(64 - bits), np.zeros(2**bits, dtype=np.bool_)

    def update(self, hashes: Hashes) -> None:
        """Adds values."""
        self._seen[(hashes >> self._shift).astype(np.int64)] = True

    def count(self) -> int:
        """Returns about how many different values were added."""
        cells = len(self._seen)
        empty = max(1 - float(self._seen.mean()), 1 / cells)
        return round(-cells * float(np.log(empty)))
