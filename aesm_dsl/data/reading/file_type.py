"""`FileType`: what a file is, by its first bytes; by its name only where these say nothing."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aesm_dsl.data.reading.file_endings import ARROW, CSV, PARQUET, kind_of_name, without_compression

HEAD = 2**12
"""The bytes at the start of a file that are looked at."""

STREAM = "Arrow stream"
"""Arrow's form without a footer, as `datasets` and ClickHouse write it. Its name says ARROW."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", PARQUET),
    (b"ARROW1", ARROW),
    (b"\xff\xff\xff\xff", STREAM),
)
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"PARE", "an encrypted parquet file"),
    (b"FEA1", "a Feather file of version 1"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"SEQ", "a Hadoop sequence file"),
    (b"RCF", "an RC file"),
    (b"VTXF", "a Vortex file"),
    (b"SQLite format 3", "a SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"%PDF", "a PDF document"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "compressed with snappy"),
)
_NAMED: tuple[tuple[tuple[str, ...], str], ...] = (
    ((".xlsx", ".xlsm"), "an Excel workbook"),
    ((".ods",), "an OpenDocument sheet"),
    ((".npz",), "numpy arrays"),
    ((".orc",), "an ORC file"),
    ((".avro",), "an Avro file"),
    ((".lance",), "a Lance file"),
    ((".json", ".jsonl", ".ndjson"), "JSON"),
    ((".tfrecord", ".tfrecords"), "a TFRecord file"),
    ((".pkl", ".pickle"), "a pickle"),
    ((".h5", ".hdf5"), "an HDF5 file"),
    ((".db", ".sqlite", ".duckdb"), "a database"),
)
_COMPRESSIONS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x78\x9c", "zlib"),
    (b"\x78\xda", "zlib"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)


@dataclass(frozen=True, slots=True)
class FileType:
    """What a file is."""

    kind: str
    """PARQUET, ARROW, STREAM or CSV; empty if it is not read."""
    compression: str = ""
    """How a csv is compressed as a whole, by its bytes: "gzip", "zstd", "zlib", "bzip2" or "xz"; empty if it is not."""
    foreign: str = ""
    """What it is instead, in words, if it is not read; empty if nothing says so."""


def file_type(name: str, head: bytes, csv_is_stated: bool = False) -> FileType:
    """Returns what a file is.

    Args:
        name: its name.
        head: its first HEAD bytes.
        csv_is_stated: whether the spec says how csv files are written: then a file whose bytes and name say nothing is
            one.
    """
    by_name = kind_of_name(name)
    if by_name == CSV and _is_text(head):
        return FileType(CSV)  # whatever its first word is
    if kind := next((kind for magic, kind in _MAGIC if head.startswith(magic)), ""):
        return FileType(kind)
    if compression := next((word for magic, word in _COMPRESSIONS if head.startswith(magic)), ""):
        return _compressed(name, head, compression, csv_is_stated)
    foreign = next((words for magic, words in _FOREIGN if head.startswith(magic)), "")
    named = next((words for endings, words in _NAMED if name.casefold().endswith(endings)), "")
    if head.startswith(b"PK\x03\x04"):
        foreign = named or "a zip archive"
    elif head[257:262] == b"ustar":
        foreign = "a tar archive"
    if foreign:
        return FileType("", foreign=foreign)
    if by_name:
        return FileType(by_name)
    return FileType(CSV) if csv_is_stated and not named else FileType("", foreign=named)


def first_bytes(path: Path) -> bytes:
    """Returns the first bytes of a file; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def _compressed(name: str, head: bytes, compression: str, csv_is_stated: bool) -> FileType:
    """The type of a file that is compressed as a whole: only a csv is read."""
    start, plain = _start(head, compression), without_compression(name)
    inner = file_type(plain, start, csv_is_stated) if start else FileType(kind_of_name(plain) or CSV)
    if inner.kind == CSV:
        return FileType(CSV, compression)
    what = inner.foreign or (f"a file of type {inner.kind}" if inner.kind else "")
    return FileType("", foreign=f"{what}, compressed with {compression}" if what else f"compressed with {compression}")


def _start(head: bytes, compression: str) -> bytes:
    """The first bytes of what is compressed; empty if they are not known."""
    openers: dict[str, Callable[[], bytes]] = {
        "gzip": lambda: zlib.decompressobj(31).decompress(head, HEAD),
        "zlib": lambda: zlib.decompressobj().decompress(head, HEAD),
        "bzip2": lambda: bz2.BZ2Decompressor().decompress(head, HEAD),
        "xz": lambda: lzma.LZMADecompressor().decompress(head, HEAD),
    }
    try:
        return openers[compression]() if compression in openers else b""
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return b""


def _is_text(head: bytes) -> bool:
    return len(head) > 0 and b"\0" not in head and all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in head[:64])
