"""64-bit hashes that never change: they do not depend on the machine, the Python process or a library's version.

A run finds its embeddings by these hashes, so the algorithm is fixed here:
  whole numbers   the first output of SplitMix64, seeded with the number's 64-bit pattern
  text            the first 8 bytes, little endian, of the BLAKE2b digest (8 bytes) of its UTF-8 bytes;
                  but text that is the plain decimal of a whole number in [-2^63, 2^64) ("42"; not "042",
                  "+42" or "4e1") hashes as that number, so that an id has one hash in parquet and in csv
  other types     the hash of their text (`values.as_text`)
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import polars as pl

from aesm_dsl.data.reading.values import Mask, as_text, nameless

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]


def hash64(column: pl.Series) -> tuple[Hashes, Mask]:
    """Returns the hash of each cell, and which cells are missing (their hash means nothing)."""
    column, dtype = nameless(column), column.dtype
    if dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128):
        return splitmix64(_bits(column)), column.is_null().to_numpy()
    text = as_text(column)
    hashes = np.zeros(len(text), dtype=np.uint64)
    left = text.is_not_null().to_numpy().copy()
    for whole in (pl.Int64, pl.UInt64):
        numbers = text.cast(whole, strict=False)
        plain = left & (numbers.cast(pl.String) == text).fill_null(False).to_numpy()
        hashes[plain] = splitmix64(_bits(numbers)[plain])
        left &= ~plain
    if left.any():
        # BLAKE2b runs in Python, so each different text is hashed once.
        words = text.filter(pl.Series(left))
        known = words.unique()
        digests = pl.Series([_digest(word) for word in known], dtype=pl.UInt64)
        hashes[left] = words.replace_strict(known, digests, return_dtype=pl.UInt64).to_numpy()
    return hashes, text.is_null().to_numpy()


def splitmix64(bits: Hashes) -> Hashes:
    """Returns the first output of SplitMix64 for each seed; all arithmetic is modulo 2^64."""
    z = bits + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _bits(column: pl.Series) -> Hashes:
    filled = column.fill_null(0)
    if filled.dtype == pl.UInt64:
        return filled.to_numpy()
    return filled.cast(pl.Int64).to_numpy().view(np.uint64)


def _digest(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
