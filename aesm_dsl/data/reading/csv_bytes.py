"""The bytes of a csv file, decompressed, and what its first line and its quotes say of how it is written.

A lenient reader splits a cell whose quotes are not doubled wherever it likes, so quotes are looked at before rows are.

Axes: B bytes of a piece, Q quotes in it.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

PIECE = 2**24
"""Bytes that are looked at together."""

FIRST_LINE = 2**16
"""Bytes of a first line that are looked at."""

_OPENERS: dict[str, Any] = {"": open, "gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}


def byte_pieces(path: Path, compression: str, size: int = PIECE) -> Iterator[bytes]:
    """Yields the contents of a file, decompressed, in pieces of about `size` bytes.

    Raises:
        OSError: the file cannot be read or decompressed.
    """
    if compression == "zlib":
        yield from _inflated(path)
    elif compression == "zstd":
        # Python has no zstd before 3.14; polars has.
        for frame in pl.scan_lines(path).collect_batches(chunk_size=2**16, maintain_order=True):
            yield "".join(f"{line}\n" for line in frame.to_series()).encode()
    else:
        try:
            with _OPENERS[compression](path, "rb") as file:
                while piece := file.read(size):
                    yield piece
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise OSError(f"{compression}: {error}") from None


def _inflated(path: Path) -> Iterator[bytes]:
    """The contents of a file that zlib has compressed."""
    inflater = zlib.decompressobj()
    try:
        with path.open("rb") as file:
            while piece := file.read(2**14):  # which becomes 16 MiB at most
                yield inflater.decompress(piece)
    except zlib.error as error:
        raise OSError(f"zlib: {error}") from None
    if not inflater.eof:
        raise OSError("zlib: it is cut off")


def first_line(path: Path, compression: str) -> bytes:
    """Returns the start of a file up to its first line end, at most FIRST_LINE bytes; empty if it cannot be read."""
    try:
        head = next(byte_pieces(path, compression, FIRST_LINE), b"")
    except (OSError, pl.exceptions.PolarsError):
        return b""  # reported when the file is read
    return head.partition(b"\n")[0][:FIRST_LINE]


def wrong_quotes(path: Path, compression: str, separator: str, quote: str) -> tuple[str, bool]:
    """Says in words which quotes do not stand around cells.

    A quoted cell begins with a quote and ends with one, and a quote within it is doubled. Quotes within a cell that
    does not begin with one are part of it, as long as no separator or line end stands between them.

    Args:
        path: the file.
        compression: how it is compressed.
        separator: what separates cells.
        quote: what stands around cells.

    Returns:
        The words, empty if all is well, and whether quotes near it have a backslash before them.

    Raises:
        OSError: the file cannot be read.
    """
    checker = _QuoteChecker(ord(separator), ord(quote))
    for piece in byte_pieces(path, compression):
        if (wrong := checker.check(piece)) is not None:
            return wrong
    return checker.end()


class _QuoteChecker:
    """Looks at a file piece by piece; the last byte of a piece is looked at with the next one."""

    def __init__(self, separator: int, quote: int) -> None:
        self._separator, self._quote = separator, quote
        self._held, self._before, self._inside, self._stray, self._lines = b"", 10, False, False, 0

    def check(self, piece: bytes) -> tuple[str, bool] | None:
        """Returns the words for the first wrong quote of a piece, and whether backslashes stand before quotes of it."""
        data = self._held + piece
        self._held = data[-1:]
        return self._look(data[:-1], data[-1])

    def end(self) -> tuple[str, bool]:
        """Returns the same for the end of the file."""
        wrong = self._look(self._held, 10)
        if wrong is None and self._inside:
            return "a quote that begins a cell never ends it", False
        return wrong or ("", False)

    def _look(self, data: bytes, after: int) -> tuple[str, bool] | None:
        """Looks at bytes of which the next one is `after`."""
        if not data:
            return None
        if self._quote not in data and not self._inside:
            self._before, self._lines = data[-1], self._lines + data.count(b"\n")
            return None
        byte_B = np.frombuffer(data, dtype=np.uint8)
        place_Q = np.flatnonzero(byte_B == self._quote)
        before_Q = np.where(place_Q > 0, byte_B[place_Q - 1], self._before)
        after_Q = np.where(place_Q + 1 < len(byte_B), byte_B[np.minimum(place_Q + 1, len(byte_B) - 1)], after)
        ends_cell_B = np.isin(byte_B, (self._separator, 10, 13))
        opens_Q = (np.arange(len(place_Q)) + self._inside) % 2 == 0
        edge = (self._separator, 10, 13, self._quote)
        # A quote that opens in the middle of a cell, and what closes it: both are part of the cell.
        stray_Q = opens_Q & ~np.isin(before_Q, edge)
        closes_stray_Q = np.concatenate([[self._stray and self._inside], stray_Q[:-1]]) & ~opens_Q
        ends_Q = np.cumsum(ends_cell_B)[place_Q] if len(place_Q) else np.empty(0, dtype=np.int64)
        crossed_Q = np.diff(ends_Q, prepend=0) > 0
        bad_Q = (~opens_Q & ~closes_stray_Q & ~np.isin(after_Q, edge)) | (closes_stray_Q & crossed_Q)
        if bad_Q.any():
            place = int(place_Q[bad_Q.argmax()])
            line = self._lines + data.count(b"\n", 0, place) + 1
            return f"the quotes in line {line:,} do not stand around a cell", b'\\"' in data
        left_open = bool((self._inside + len(place_Q)) % 2)
        if len(place_Q):
            self._stray = bool(stray_Q[-1])
        if left_open and self._stray and ends_cell_B[(int(place_Q[-1]) if len(place_Q) else 0) :].any():
            return (
                f"a quote in line {self._lines + data.count(bytes([10])) + 1:,} does not end in its cell",
                b'\\"' in data,
            )
        self._inside, self._before = left_open, data[-1]
        self._lines += data.count(b"\n")
        return None
