"""`Columns`: encoded rows as tensors, and their storage: in memory (`MemoryStorage`) or in a folder (`FolderStorage`).

A folder has one plain .npy file for each of NAMES, with the rows as its first axis. Files are written front to back and
read in pieces, so neither needs more memory than a piece.

Axes: R rows, S slots of ids, V values, L levels, T tasks, U columns of users and Q of
queries: 1 if the plan names one, else 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from torch import Tensor

from aesm_dsl.files.manifest import file_digest

Array = np.ndarray[Any, np.dtype[Any]]
Range = tuple[int, int]
"""Rows from the first number up to, but without, the second."""


class RowsLostError(Exception):
    """The files of encoded rows are no longer where they were written."""


NAMES = ("ids", "value", "node", "label", "weight", "user", "query")


@dataclass(frozen=True, slots=True)
class Columns:
    """Encoded rows as tensors."""

    ids_RS: Tensor
    """Each feature's ids in its own slots, in the plan's order; int32 if all embedding tables are small enough, else
    int64."""
    value_RV: Tensor
    """float32; values of the features that are used as numbers, NaN if missing."""
    node_RL: Tensor
    """int64; each row's node at every scenario level, UNKNOWN if it is missing or not in the plan."""
    label_RT: Tensor
    """float32; 0, 1, or NaN if the label is missing or the row is outside the task's sample space."""
    weight_R: Tensor
    """float32; row weights, 1 if the plan names none."""
    user_RU: Tensor
    """int64; a number for each row's user, NOBODY if the user is missing."""
    query_RQ: Tensor
    """int64; a number for each row's query, NOBODY if the query is missing."""

    def __len__(self) -> int:
        return self.node_RL.shape[0]

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """All tensors, in the order of NAMES."""
        return self.ids_RS, self.value_RV, self.node_RL, self.label_RT, self.weight_R, self.user_RU, self.query_RQ

    def take(self, chosen: slice | Tensor) -> Columns:
        """Returns the chosen rows."""
        return Columns(*(part[chosen] for part in self.parts))

    @staticmethod
    def of_arrays(arrays: Iterable[Array]) -> Columns:
        """Returns the columns of arrays, in the order of NAMES, without copying them."""
        return Columns(*map(torch.from_numpy, arrays))

    @staticmethod
    def joined(pieces: Sequence[Columns]) -> Columns:
        """Returns the rows of all pieces, one piece after the other."""
        return pieces[0] if len(pieces) == 1 else Columns(*map(torch.cat, zip(*(p.parts for p in pieces), strict=True)))


class Storage(Protocol):
    """A place of encoded rows."""

    @property
    def rows(self) -> int:
        """The number of rows."""

    @property
    def row_bytes(self) -> int:
        """Bytes of a row in memory."""

    def load(self, ranges: Sequence[Range]) -> Columns:
        """Returns the rows of these ranges, one range after the other."""

    @property
    def digest(self) -> str:
        """A digest of all rows in their order, the same for every kind of storage."""

    def pick(self, rows_K: Tensor) -> Columns:
        """Returns single rows by their numbers."""


@dataclass(frozen=True, slots=True)
class MemoryStorage:
    """Encoded rows in memory."""

    columns: Columns

    @property
    def rows(self) -> int:
        return len(self.columns)

    @property
    def row_bytes(self) -> int:
        return sum(part.element_size() * part[:1].numel() for part in self.columns.parts)

    @property
    def digest(self) -> str:
        # Nodes as int32, as a folder stores them.
        ids, value, node, *others = self.columns.parts
        return _joined(_npy_digest(part.numpy()) for part in (ids, value, node.int(), *others))

    def load(self, ranges: Sequence[Range]) -> Columns:
        if len(ranges) == 1 or not ranges:
            return self.columns.take(slice(*(ranges[0] if ranges else (0, 0))))
        return Columns.joined([self.columns.take(slice(start, stop)) for start, stop in ranges])

    def pick(self, rows_K: Tensor) -> Columns:
        return self.columns.take(rows_K)


@dataclass(frozen=True, slots=True)
class FolderStorage:
    """Encoded rows in the .npy files of a folder."""

    path: Path
    file_digests: tuple[str, ...] = ()
    """The SHA-256 of every file, in the order of NAMES; empty if they are not known, and read when they are asked for.
    """

    @property
    def rows(self) -> int:
        return self._open("weight").rows

    @property
    def row_bytes(self) -> int:
        return sum(self._open(name).row_bytes for name in NAMES)

    def shapes(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Returns the type and the shape of every array."""
        files = {name: self._open(name) for name in NAMES}
        return {name: (str(file.dtype), file.shape) for name, file in files.items()}

    @property
    def digest(self) -> str:
        return _joined(self.file_digests or (file_digest(self.path / f"{name}.npy") for name in NAMES))

    def load(self, ranges: Sequence[Range]) -> Columns:
        ids, value, node, *others = (torch.from_numpy(self._open(name).read(ranges)) for name in NAMES)
        return Columns(ids, value, node.long(), *others)

    def pick(self, rows_K: Tensor) -> Columns:
        return self.load([(row, row + 1) for row in rows_K.tolist()])

    def _open(self, name: str) -> _NpyFile:
        return _NpyFile.of(self.path / f"{name}.npy")


class FolderWriter:
    """Writes the rows of a `FolderStorage`, chunk after chunk."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True)
        self._path, self._files, self._shapes = path, dict[str, BinaryIO](), dict[str, tuple[Any, int, Any]]()

    def append(self, columns: Columns) -> None:
        """Writes the next rows."""
        ids, value, node, *others = columns.parts
        for name, part in zip(NAMES, (ids, value, node.int(), *others), strict=True):
            array = part.numpy()
            if name not in self._files:
                self._files[name] = (self._path / f"{name}.npy").open("wb")
                self._shapes[name] = array.dtype, 0, array.shape[1:]
                self._write_header(name)
            self._files[name].write(np.ascontiguousarray(array).data)
            dtype, rows, rest = self._shapes[name]
            self._shapes[name] = dtype, rows + len(array), rest

    def close(self) -> None:
        """Finishes the files: the number of rows goes into their headers."""
        for name, file in self._files.items():
            file.seek(0)
            self._write_header(name)
            file.close()

    def _write_header(self, name: str) -> None:
        """Writes the header for the rows so far; numpy leaves room in it for the number of rows to grow."""
        dtype, rows, rest = self._shapes[name]
        _write_npy_header(self._files[name], dtype, (rows, *rest))


def _npy_digest(array: Array) -> str:
    """The SHA-256 of the .npy file that `FolderWriter` would write."""
    header = BytesIO()
    _write_npy_header(header, array.dtype, array.shape)
    digest = hashlib.sha256(header.getvalue())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _write_npy_header(file: BinaryIO, dtype: Any, shape: tuple[int, ...]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _joined(file_digests: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(file_digests).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _NpyFile:
    """A .npy file that is read, never mapped: a mapping counts as memory, and may be larger than what there is."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    """Bytes before the first row."""

    @staticmethod
    def of(path: Path) -> _NpyFile:
        try:
            with path.open("rb") as file:
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                return _NpyFile(path, dtype, shape, file.tell())
        except (FileNotFoundError, ValueError) as error:
            raise RowsLostError(path) from error

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * int(np.prod(self.shape[1:]))

    def read(self, ranges: Sequence[Range]) -> Array:
        """Returns the rows of these ranges, one range after the other."""
        array = np.empty((sum(stop - start for start, stop in ranges), *self.shape[1:]), dtype=self.dtype)
        if not array.nbytes:
            return array
        room, at, width = array.reshape(-1).view(np.uint8).data, 0, self.row_bytes
        with self.path.open("rb", buffering=0) as file:
            for start, stop in ranges:
                file.seek(self.start + start * width)
                end = at + (stop - start) * width
                # An unbuffered read may return less than was asked for.
                while at < end:
                    got = file.readinto(room[at:end])
                    if not got:
                        raise RowsLostError(self.path)
                    at += got
        return array
