"""A csv file -> the path of a plain one that the reader takes, or a finding that says how the file is written."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from aesm_dsl.data.reading.csv_bytes import byte_pieces, first_line, wrong_quotes
from aesm_dsl.data.reading.csv_copy import is_plain, plain_copy
from aesm_dsl.data.reading.file_endings import without_compression
from aesm_dsl.data.reading.file_type import first_bytes
from aesm_dsl.data.reading.ragged_csv import too_few_cells
from aesm_dsl.data.reading.unreadable import UnreadableError
from aesm_dsl.plan.data import CsvFormat

_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SEPARATORS = (b";", b"\t", b"|", b"\x01", b"^", b"~")


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A csv file and how it is written."""

    path: Path
    csv: CsvFormat
    compression: str
    """How it is compressed, by its bytes; empty if it is not."""

    @property
    def separator(self) -> str:
        """The character between its cells."""
        return self.csv.separator or ("\t" if without_compression(self.path.name).endswith(".tsv") else ",")


def scan_csv(path: Path, separator: str, quote: str | None) -> pl.LazyFrame:
    """Returns the cells of a plain csv file as text; nothing is read yet."""
    return pl.scan_csv(path, separator=separator, quote_char=quote, infer_schema=False, glob=False)


def plain_csv(file: CsvFile) -> Path:
    """Returns the path of a plain csv file with the same rows, which may be the file itself.

    Raises:
        UnreadableError: it is not written as its format says.
        OSError: it cannot be read, or the copy cannot be written.
    """
    csv = file.csv
    if encoding := _wide_encoding(file):
        raise UnreadableError(
            f"this is {encoding[:6].upper()}",
            f'`format = csv(encoding: "{encoding}")` in `data` reads it',
            replace(csv, encoding=encoding),
        )
    plain, compression = file.path, file.compression
    if not is_plain(csv, compression):
        try:
            plain, compression = plain_copy(file.path, csv, compression, file.separator), ""
        except UnicodeError as error:
            reason = str(getattr(error, "reason", error))
            raise UnreadableError(
                f"this is not {csv.encoding}: {reason}", "`encoding` in `format` names another one"
            ) from None
    _check_header(file, first_line(plain, compression))
    if csv.quote is not None:
        words, escaped = wrong_quotes(plain, compression, file.separator, csv.quote)
        if words and escaped and csv.escape is None:
            help = '`format = csv(escape: "\\\\")` in `data` reads quotes behind a backslash, as Spark writes them'
            raise UnreadableError(words, help, replace(csv, escape="\\"))
        if words:
            help = "double the quotes within a quoted cell; `format = csv(quote: none)` in `data` reads quotes as text"
            raise UnreadableError(words, help)
    if words := too_few_cells(plain, scan_csv(plain, file.separator, csv.quote), file.separator, csv.quote):
        raise UnreadableError(words, "a missing value is an empty cell, with its separator; a row may not end early")
    return plain


def wrong_text(path: Path, compression: str) -> UnreadableError | None:
    """Returns what is wrong with the bytes of a csv that is read as UTF-8; None if they are UTF-8."""
    decoder, bad = codecs.getincrementaldecoder("utf-8")(), b""
    try:
        for piece in byte_pieces(path, compression):
            try:
                decoder.decode(piece)
            except UnicodeDecodeError as error:
                bad = error.object[max(error.start - 2000, 0) :][:4000]
                break
    except (OSError, pl.exceptions.PolarsError):
        return None
    if not bad:
        return None
    guess = _guessed_encoding(bad)
    name = {"gbk": "GBK", "big5": "Big5", "latin-1": "Latin-1"}[guess]
    return UnreadableError(
        f"its text is not UTF-8, but perhaps {name}",
        f'`format = csv(encoding: "{guess}")` in `data` reads it so',
        CsvFormat(encoding=guess),
    )


def _guessed_encoding(text: bytes) -> str:
    """The encoding in which most of the characters beyond ASCII are frequent ones."""
    lines = text.split(b"\n")
    whole = b"\n".join(lines[1:-1] if len(lines) > 2 else lines)
    for encoding, ranges in (("gbk", ((0xB0, 0xD7),)), ("big5", ((0xA4, 0xC6),))):
        try:
            whole.decode(encoding)
        except UnicodeDecodeError:
            continue
        lead = _lead_bytes(whole)
        frequent = sum(any(low <= byte <= high for low, high in ranges) for byte in lead)
        if lead and frequent >= 0.6 * len(lead):
            return encoding
    return "latin-1"


def _lead_bytes(text: bytes) -> list[int]:
    """The first bytes of the characters of two bytes."""
    lead, place = [], 0
    while place < len(text):
        wide = text[place] >= 0x81
        if wide:
            lead.append(text[place])
        place += 2 if wide else 1
    return lead


def _wide_encoding(file: CsvFile) -> str:
    """UTF-16 or UTF-32 if the file is in it, but its format says otherwise; empty if it is not."""
    if codecs.lookup(file.csv.encoding).name.startswith(("utf-16", "utf-32")) or file.compression:
        return ""
    head = first_bytes(file.path)
    marked = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "")
    if marked or b"\0" not in head:
        return marked
    return "utf-16-be" if head[:1] == b"\0" else "utf-16-le"


def _check_header(file: CsvFile, head: bytes) -> None:
    """Raises UnreadableError if the first line has another separator, or the lines end as on an old Macintosh."""
    separator = file.separator.encode()
    if b"\r" in head.rstrip(b"\r") and b"\n" not in head and head.count(b"\r") > 2 and b'"' not in head:
        raise UnreadableError(
            "its lines end with a carriage return alone", "save it with the line ends of Windows or Unix"
        )
    if separator in head:
        return
    other = next((sign for sign in (*_SEPARATORS, b",") if sign in head and sign != separator), b"")
    if other and (file.csv.separator is not None or b"," not in head or separator == b"\t"):
        shown = {b"\t": '"\\t"'}.get(other, f'"{other.decode()}"')
        stated = f"`format = csv(separator: {shown})` in `data` reads it"
        instead = replace(file.csv, separator=other.decode())
        raise UnreadableError(f"its columns are separated by {other.decode()!r}", stated, instead)
