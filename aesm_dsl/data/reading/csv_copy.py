"""A csv that is no plain one -> a plain copy on this machine: UTF-8, quotes within quoted cells doubled.

The reader takes plain csv files only. Others (another encoding, quotes behind a backslash, bzip2 or xz) are rewritten
once, as a whole, into the user's cache folder, and again after they have changed (`local_copy`).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from aesm_dsl.data.reading.csv_bytes import byte_pieces
from aesm_dsl.data.reading.local_copy import local_copy
from aesm_dsl.plan.data import CsvFormat

READ_COMPRESSED = ("", "gzip", "zstd", "zlib")
"""Compressions that the reader of csv files undoes itself."""
_UTF8 = ("utf-8", "utf-8-sig", "ascii")


def is_plain(csv: CsvFormat, compression: str) -> bool:
    """Returns whether the reader takes such a file as it is."""
    return codecs.lookup(csv.encoding).name in _UTF8 and csv.escape is None and compression in READ_COMPRESSED


def plain_copy(path: Path, csv: CsvFormat, compression: str, separator: str) -> Path:
    """Returns the plain copy of a csv file, made if there is none of its present version.

    Raises:
        OSError: the file cannot be read or decompressed, or the copy cannot be written.
        UnicodeError: the file is not in the encoding of its format.
    """
    stat = path.stat()
    version = (
        f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} {csv.encoding} {csv.quote} {csv.escape} {separator!r}"
    )

    def write(copy: Path) -> None:
        with copy.open("wb") as file:
            for text in _rewritten(_texts(path, csv.encoding, compression), csv, separator):
                file.write(text.encode("utf-8", "strict"))

    return local_copy("csv", version, "rows.csv", write)


def _texts(path: Path, encoding: str, compression: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    for piece in byte_pieces(path, compression):
        yield decoder.decode(piece)
    yield decoder.decode(b"", True)


def _rewritten(texts: Iterator[str], csv: CsvFormat, separator: str) -> Iterator[str]:
    if csv.escape is None or csv.quote is None:
        yield from texts
        return
    cells = EscapedQuotes(csv.quote, csv.escape, separator)
    for text in texts:
        yield cells.rewrite(text)
    yield cells.end()


class EscapedQuotes:
    """Doubles the quotes of quoted cells that stand behind an escape character, piece by piece.

    As in Spark, the escape character has its meaning before a quote and before itself within a quoted cell, and
    nowhere else.
    """

    def __init__(self, quote: str, escape: str, separator: str) -> None:
        self._quote, self._escape = quote, escape
        self._token = re.compile(f"{re.escape(escape)}(?s:.)|{re.escape(quote)}")
        self._begins = (separator, "\n", "\r")
        self._inside, self._before, self._held = False, "\n", ""

    def rewrite(self, text: str) -> str:
        """Returns the next piece; an escape character at its end comes with the piece after it."""
        text = self._held + text
        self._held = ""
        parts, start = list[str](), 0
        while found := self._token.search(text, start):
            token, place = found.group(), found.start()
            parts.append(text[start:place])
            before = text[place - 1] if place else self._before
            start = found.end()
            if token == self._quote:
                self._inside = not self._inside and before in self._begins
            elif not self._inside:
                token, start = token[0], place + 1
            elif token[1] == self._quote:
                token = self._quote * 2
            elif token[1] == self._escape:
                token = self._escape
            parts.append(token)
        rest = text[start:]
        if rest.endswith(self._escape):
            rest, text, self._held = rest[:-1], text[:-1], self._escape
        self._before = text[-1:] or self._before
        return "".join([*parts, rest])

    def end(self) -> str:
        """Returns what has not come yet."""
        return self._held
