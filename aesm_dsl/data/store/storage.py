"""`Columns`: encoded rows as tensors, and where they lie: in memory (`MemoryStorage`) or in a folder of .npy files (`FolderStorage`).

A file of a folder is a plain .npy with the rows as its first axis, named as in NAMES. It is written
front to back and read in pieces, so that neither way of using it needs more memory than a piece.
Axes: R rows, S slots of ids, V values, L levels, T tasks, U columns of users: 1 where the plan names one, else 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]
Range = tuple[int, int]
"""Rows from the first up to, but without, the second."""


class RowsLostError(Exception):
    """Encoded rows are not where they were written any more."""


DIGEST = "digest"
"""The file of a folder that holds the digest of its rows."""
NAMES = ("ids", "value", "node", "label", "weight", "user")


@dataclass(frozen=True, slots=True)
class Columns:
    ids_RS: Tensor
    """Each feature's ids in its own slots, in the plan's order; int32 where all tables are small enough."""
    value_RV: Tensor
    """float32; values of the features that are used as numbers, NaN where missing."""
    node_RL: Tensor
    """int64; each row's node at every scenario level, UNKNOWN where it is missing or not in the plan."""
    label_RT: Tensor
    """float32; 0, 1, or NaN where the label is missing or the row outside the task's sample space."""
    weight_R: Tensor
    """float32; row weights, 1 where the plan names none."""
    user_RU: Tensor
    """int64; a number for each row's user, NOBODY where it is missing."""

    def __len__(self) -> int:
        return self.node_RL.shape[0]

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        return self.ids_RS, self.value_RV, self.node_RL, self.label_RT, self.weight_R, self.user_RU

    def take(self, chosen: slice | Tensor) -> Columns:
        return Columns(*(part[chosen] for part in self.parts))

    @staticmethod
    def joined(pieces: Sequence[Columns]) -> Columns:
        return pieces[0] if len(pieces) == 1 else Columns(*map(torch.cat, zip(*(p.parts for p in pieces), strict=True)))


class Storage(Protocol):
    """Where encoded rows lie."""

    @property
    def rows(self) -> int: ...

    @property
    def row_bytes(self) -> int:
        """What a row takes in memory."""

    def load(self, ranges: Sequence[Range]) -> Columns:
        """The rows of these ranges, one range after the other."""

    @property
    def digest(self) -> str:
        """Of all rows in their order, wherever they lie."""

    def pick(self, rows_K: Tensor) -> Columns:
        """Single rows, by their numbers."""


@dataclass(frozen=True, slots=True)
class MemoryStorage:
    columns: Columns

    @property
    def rows(self) -> int:
        return len(self.columns)

    @property
    def row_bytes(self) -> int:
        return sum(part.element_size() * part[:1].numel() for part in self.columns.parts)

    @property
    def digest(self) -> str:
        ids, value, node, *others = self.columns.parts
        return _joined([_Digest().over(part.numpy()) for part in (ids, value, node.int(), *others)])

    def load(self, ranges: Sequence[Range]) -> Columns:
        if len(ranges) == 1 or not ranges:
            return self.columns.take(slice(*(ranges[0] if ranges else (0, 0))))
        return Columns.joined([self.columns.take(slice(start, stop)) for start, stop in ranges])

    def pick(self, rows_K: Tensor) -> Columns:
        return self.columns.take(rows_K)


@dataclass(frozen=True, slots=True)
class FolderStorage:
    path: Path

    @property
    def rows(self) -> int:
        return self._open("weight").rows

    @property
    def row_bytes(self) -> int:
        return sum(self._open(name).row_bytes for name in NAMES)

    @property
    def digest(self) -> str:
        """Taken when the rows were written: nothing is read for it."""
        return (self.path / DIGEST).read_text(encoding="utf-8")

    def load(self, ranges: Sequence[Range]) -> Columns:
        ids, value, node, *others = (torch.from_numpy(self._open(name).read(ranges)) for name in NAMES)
        return Columns(ids, value, node.long(), *others)

    def pick(self, rows_K: Tensor) -> Columns:
        return self.load([(row, row + 1) for row in rows_K.tolist()])

    def _open(self, name: str) -> _Npy:
        return _Npy.of(self.path / f"{name}.npy")


class FolderWriter:
    """Writes the rows of a `FolderStorage`, chunk after chunk."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True)
        self._path, self._files, self._shapes = path, dict[str, BinaryIO](), dict[str, tuple[Any, int, Any]]()
        self._digests = {name: _Digest() for name in NAMES}

    def append(
        self, ids_RS: Array, value_RV: Array, node_RL: Array, label_RT: Array, weight_R: Array, user_RU: Array
    ) -> None:
        arrays = (ids_RS, value_RV, node_RL.astype(np.int32), label_RT, weight_R, user_RU)
        for name, array in zip(NAMES, arrays, strict=True):
            if name not in self._files:
                self._files[name] = (self._path / f"{name}.npy").open("wb")
                self._shapes[name] = array.dtype, 0, array.shape[1:]
                self._header(name)
            self._files[name].write(np.ascontiguousarray(array).data)
            self._digests[name].over(array)
            dtype, rows, rest = self._shapes[name]
            self._shapes[name] = dtype, rows + len(array), rest

    def close(self) -> None:
        for name, file in self._files.items():
            file.seek(0)
            self._header(name)
            file.close()
        (self._path / DIGEST).write_text(_joined(self._digests.values()), encoding="utf-8")

    def _header(self, name: str) -> None:
        """Of the rows so far; numpy leaves room in it for the number of rows to grow."""
        dtype, rows, rest = self._shapes[name]
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (rows, *rest)}
        np.lib.format.write_array_header_1_0(self._files[name], header)


class _Digest:
    """Of the rows of one array: the same however they come in pieces."""

    def __init__(self) -> None:
        self._shape, self._bytes = "", hashlib.sha256()

    def over(self, array: Array) -> _Digest:
        """The digest, after the next rows."""
        self._shape = f"{array.dtype} {array.shape[1:]}"
        self._bytes.update(np.ascontiguousarray(array).data)
        return self

    def text(self) -> str:
        return f"{self._shape} {self._bytes.hexdigest()}"


def _joined(digests: Iterable[_Digest]) -> str:
    return hashlib.sha256("\n".join(one.text() for one in digests).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Npy:
    """A .npy file, which is read and never mapped: a mapping counts as memory, and may be larger than what there is."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    """Bytes before the first row."""

    @staticmethod
    def of(path: Path) -> _Npy:
        try:
            with path.open("rb") as file:
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                return _Npy(path, dtype, shape, file.tell())
        except (FileNotFoundError, ValueError) as error:
            raise RowsLostError(path) from error

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * int(np.prod(self.shape[1:]))

    def read(self, ranges: Sequence[Range]) -> Array:
        found = np.empty((sum(stop - start for start, stop in ranges), *self.shape[1:]), dtype=self.dtype)
        if not found.nbytes:
            return found
        room, at, width = found.reshape(-1).view(np.uint8).data, 0, self.row_bytes
        with self.path.open("rb", buffering=0) as file:
            for start, stop in ranges:
                file.seek(self.start + start * width)
                end = at + (stop - start) * width
                while at < end:
                    got = file.readinto(room[at:end])
                    if not got:
                        raise RowsLostError(self.path)
                    at += got
        return found
