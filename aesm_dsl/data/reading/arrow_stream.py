"""Arrow streams: Arrow's form without a footer, read one batch of rows at a time.

polars reads a stream only as a whole. So the stream is cut into its messages, and every batch of rows is read behind
the messages that describe it: the schema, and the dictionaries so far.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

import polars as pl

_CONTINUES = b"\xff\xff\xff\xff"
_END = _CONTINUES + b"\0\0\0\0"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3


@dataclass(frozen=True, slots=True)
class _Message:
    """A message of a stream."""

    kind: int
    rows: int
    """Rows of a batch; 0 for other kinds."""
    start: int
    """Where it begins in the file."""
    end: int


def stream_schema(path: Path) -> pl.Schema:
    """Returns the columns of a stream.

    Raises:
        OSError: the file is damaged or cut off.
    """
    with path.open("rb") as file:
        first = next(_messages(file), None)
        if first is None or first.kind != _SCHEMA:
            raise OSError("no schema at its start")
        return pl.read_ipc_stream(BytesIO(_bytes(file, first) + _END)).schema


def stream_frames(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yields the batches of rows of a stream, with these columns.

    Raises:
        OSError: the file is damaged or cut off.
    """
    with path.open("rb") as file:
        before = b""
        for message in _messages(file):
            if message.kind == _BATCH:
                batch = BytesIO(before + _bytes(file, message) + _END)
                yield pl.read_ipc_stream(batch, columns=list(columns))
            elif message.kind in (_SCHEMA, _DICTIONARY):
                before += _bytes(file, message)


def stream_rows(path: Path) -> int:
    """Returns the number of rows that the messages of a stream state.

    Raises:
        OSError: the file is damaged or cut off.
    """
    with path.open("rb") as file:
        return sum(message.rows for message in _messages(file))


def _messages(file: IO[bytes]) -> Iterator[_Message]:
    size = file.seek(0, 2)
    place = 0
    while place < size:
        file.seek(place)
        prefix = file.read(8)
        if prefix == _END:
            return
        if len(prefix) < 8 or prefix[:4] != _CONTINUES:
            raise OSError("a message does not begin where the one before it ends")
        (length,) = struct.unpack("<i", prefix[4:])
        header = file.read(length) if 0 < length <= size else b""
        try:
            kind, rows, body = _header(header)
        except (struct.error, IndexError):
            raise OSError("a message is cut off or damaged") from None
        end = place + 8 + length + body
        if body < 0 or end > size:
            raise OSError("cut off: the end of the last message is missing")
        yield _Message(kind, rows, place, end)
        place = end


def _header(data: bytes) -> tuple[int, int, int]:
    """The kind, the rows and the length of the body, from the FlatBuffers table `Message` of Arrow's Message.fbs."""
    table = struct.unpack_from("<I", data)[0]
    kind_at, header_at, body_at = (_field(data, table, field) for field in (1, 2, 3))
    kind = data[kind_at] if kind_at else 0
    body = struct.unpack_from("<q", data, body_at)[0] if body_at else 0
    rows = 0
    if kind == _BATCH and header_at:
        batch = header_at + struct.unpack_from("<I", data, header_at)[0]
        rows_at = _field(data, batch, 0)
        rows = struct.unpack_from("<q", data, rows_at)[0] if rows_at else 0
    return kind, rows, body


def _field(data: bytes, table: int, field: int) -> int:
    """Where a field of a FlatBuffers table stands; 0 if it is absent."""
    described = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, described)[0]
    slot = 4 + 2 * field
    offset = struct.unpack_from("<H", data, described + slot)[0] if slot + 2 <= size else 0
    return table + offset if offset else 0


def _bytes(file: IO[bytes], message: _Message) -> bytes:
    file.seek(message.start)
    return file.read(message.end - message.start)
