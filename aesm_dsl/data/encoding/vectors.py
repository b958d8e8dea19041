"""`VectorTable`: the keys and numbers of a file of vectors that were learnt elsewhere.

Findings: E501 and E502 for the file, E503 and E504 for its columns, E514 for its contents. Axes: K keys, G width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.data.reading.checked_rows import cell_text
from aesm_dsl.data.reading.data_file import DataFile, read_frames
from aesm_dsl.data.reading.files import CHUNK_ROWS, find_files, find_paths
from aesm_dsl.data.reading.read_errors import read_or_report
from aesm_dsl.data.reading.values import as_text
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.findings.source import Span
from aesm_dsl.plan.data import CsvFormat
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan

NUMPY = ".npy"


@dataclass(frozen=True, slots=True)
class VectorTable:
    """A vector for each key."""

    keys: tuple[str, ...]
    """Distinct keys, as text (`values.as_text`)."""
    vector_KG: np.ndarray[tuple[int, int], np.dtype[np.float32]]
    files: tuple[DataFile, ...]

    @property
    def width(self) -> int:
        """The length of the vectors, G."""
        return self.vector_KG.shape[1]


def read_vectors(plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate) -> dict[str, VectorTable]:
    """Returns the vectors of every feature that has a file of them, without those that have errors."""
    tables = {}
    for feature in plan.all_features:
        if feature.file and not feature.table:
            before = len(findings.errors)
            path = f"features.{feature.group}.{feature.name}"
            span = locate(f"{path}.file") or locate(path)
            table = _read(feature, roots, span, findings, plan.data.format if plan.data is not None else None)
            if table is not None and len(findings.errors) == before:
                tables[feature.name] = table
    return tables


@dataclass(frozen=True, slots=True)
class _Source:
    """The files of one feature's vectors, and where their errors go."""

    feature: FeaturePlan
    files: tuple[DataFile, ...]
    span: Span | None
    findings: Findings

    @property
    def names(self) -> str:
        return quoted((file.name for file in self.files), 3)

    def report(self, message: str, helps: str) -> None:
        label = f"the vectors of `{self.feature.name}`"
        self.findings.add("E514", message, self.span, label=label, help=helps)


def _read(
    feature: FeaturePlan, roots: Sequence[Path], span: Span | None, findings: Findings, csv: CsvFormat | None
) -> VectorTable | None:
    if feature.file.endswith(NUMPY):
        return _read_numpy(feature, roots, span, findings)
    files = find_files([feature.file], roots, span, findings, csv)
    if not files:
        return None
    vector = _vector_column(feature, files, span, findings)
    if vector is None:
        return None
    frames = [
        read_or_report(
            lambda: _rows(file, [feature.key, vector]),  # noqa: B023
            file.path,
            file.name,
            span,
            findings,
        )
        for file in files
    ]
    readable = [frame for frame in frames if frame is not None]
    if len(readable) < len(files):
        return None
    keys = pl.concat([as_text(frame[feature.key]) for frame in readable])
    lists = pl.concat([frame[vector].cast(pl.List(pl.Float32)) for frame in readable])
    return _from_lists(_Source(feature, tuple(files), span, findings), keys, lists)


def _rows(file: DataFile, columns: list[str]) -> pl.DataFrame:
    """All rows of a file, with these columns."""
    none = pl.DataFrame(schema={column: file.schema[column] for column in columns})
    return pl.concat([none, *read_frames(file, columns, CHUNK_ROWS)])


def _vector_column(
    feature: FeaturePlan, files: Sequence[DataFile], span: Span | None, findings: Findings
) -> str | None:
    """The column of vectors; None after reporting which column is missing or has the wrong type."""
    for file in files:
        lists = [name for name, dtype in file.schema.items() if isinstance(dtype, pl.List | pl.Array)]
        vector = feature.vector or (lists[0] if len(lists) == 1 else "")
        for column, word in ((feature.key, "key"), (vector, "vector")):
            if column and column not in file.schema:
                helps = [did_you_mean(column, file.schema), f"its columns are {quoted(file.schema)}"]
                helps.append(f"write `{word}: COLUMN`")
                label = f"`{feature.name}` reads it"
                findings.add("E503", f"no column `{column}` in `{file.name}`", span, label=label, help=helps)
                return None
        if not vector:
            label = f"{quoted(lists)} hold lists" if lists else "none of its columns holds lists"
            help = "write `vector: COLUMN`" if lists else f"its columns are {quoted(file.schema)}"
            message = f"which column of `{file.name}` has the vectors of `{feature.name}` is not clear"
            findings.add("E504", message, span, label=label, help=help)
            return None
        dtype: Any = file.schema[vector]
        if vector not in lists or not dtype.inner.is_numeric():
            message = f"`{feature.name}` needs vectors, but column `{vector}` of `{file.name}` holds something else"
            help = "a vector is a list of numbers: `list<float>` of parquet"
            findings.add("E504", message, span, label=f"this is `{dtype}`", help=help)
            return None
    return vector


def _read_numpy(
    feature: FeaturePlan, roots: Sequence[Path], span: Span | None, findings: Findings
) -> VectorTable | None:
    """Reads a .npy array, whose keys are the row numbers from 0."""
    matches = find_paths(feature.file, roots, span, findings)
    if not matches:
        return None
    if len(matches) > 1:
        names = quoted((name for _, name in matches), 3)
        message, helps = f"more than one file of vectors without keys: {names}", "write the path of one"
        findings.add("E514", message, span, label="rows are numbered from 0 in each", help=helps)
        return None
    ((path, name),) = matches
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        findings.add("E502", f"`{name}` cannot be read", span, label="not a .npy file", help=f"numpy says: {reason[0]}")
        return None
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        message = f"`{feature.name}` needs vectors, but `{name}` holds something else"
        helps = "write an array of numbers, a row for each vector"
        findings.add("E504", message, span, label=f"this is `{array.dtype}` of shape {array.shape}", help=helps)
        return None
    keys = pl.Series(range(len(array)), dtype=pl.Int64).cast(pl.String)
    files = (DataFile(path, name, pl.Schema()),)
    return _from_array(_Source(feature, files, span, findings), keys, array.astype(np.float32))


def _from_lists(source: _Source, keys: pl.Series, lists: pl.Series) -> VectorTable | None:
    """The table of keys and lists of numbers; None after reporting missing or equal keys, or lists of other lengths."""
    lengths = lists.list.len().fill_null(0)
    width = int(lengths[0]) if len(lengths) else 0
    odd = (lengths != width).arg_max() if len(lengths) and (lengths != width).any() else None
    twice = keys.is_duplicated() & keys.is_not_null()
    wrong = ""
    if keys.null_count():
        wrong = f"{keys.null_count():,} of {len(keys):,} keys in {source.names} are missing"
    elif twice.any():
        again = keys.filter(twice)
        wrong = f"{again.n_unique():,} keys in {source.names} occur more than once, the first is {cell_text(again[0])}"
    elif odd is not None:
        wrong = (
            f"the vectors in {source.names} differ in width: {width} numbers for {cell_text(keys[0])}, "
            f"{lengths[odd]} for {cell_text(keys[odd])}"
        )
    if wrong:
        source.report(wrong, "write the file with one vector of one width for every key")
        return None
    flat = lists.explode().to_numpy() if width else np.empty(0)
    return _from_array(source, keys, flat.reshape(len(lists), width).astype(np.float32))


def _from_array(
    source: _Source, keys: pl.Series, vector_KG: np.ndarray[tuple[int, int], np.dtype[np.float32]]
) -> VectorTable | None:
    """The table of keys and vectors; None after reporting that there are none, or numbers that are not finite."""
    if not vector_KG.size:
        source.report(f"no vectors in {source.names}", "write a vector for every key")
        return None
    bad_K = ~np.isfinite(vector_KG).all(axis=1)
    if bad_K.any():
        source.report(
            f"{int(bad_K.sum()):,} of {len(keys):,} vectors in {source.names} hold numbers that are missing or "
            "infinite",
            f"the first is that of {cell_text(keys[int(bad_K.argmax())])}; leave such keys out of the file",
        )
        return None
    return VectorTable(tuple(keys.to_list()), vector_KG, source.files)
