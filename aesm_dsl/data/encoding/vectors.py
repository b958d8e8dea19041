"""Files of vectors that were learnt elsewhere -> `VectorTable`: their keys and numbers.

Findings: E501 and E502 for the file, E503 and E504 for its columns, E514 for what it holds. Axes: K keys, G width.
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
from aesm_dsl.data.reading.data_file import DataFile, read_or_report, scan
from aesm_dsl.data.reading.files import expand_pattern, find_files
from aesm_dsl.data.reading.values import as_text
from aesm_dsl.findings.diagnostic import Findings, did_you_mean, quoted
from aesm_dsl.findings.source import Span
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.plan import Plan

NUMPY = ".npy"


@dataclass(frozen=True, slots=True)
class VectorTable:
    keys: tuple[str, ...]
    """As text (value.as_text), each once."""
    vector_KG: np.ndarray[tuple[int, int], np.dtype[np.float32]]
    files: tuple[DataFile, ...]

    @property
    def width(self) -> int:
        return self.vector_KG.shape[1]


def read_vectors(plan: Plan, roots: Sequence[Path], findings: Findings, locate: Locate) -> dict[str, VectorTable]:
    """By feature, the vectors of the features that have a file of them; without those that have errors."""
    found = {}
    for feature in plan.features:
        if feature.file and not feature.table:
            before = len(findings.errors)
            path = f"features.{feature.group}.{feature.name}"
            one = _read(feature, roots, locate(f"{path}.file") or locate(path), findings)
            if one is not None and len(findings.errors) == before:
                found[feature.name] = one
    return found


def _read(feature: FeaturePlan, roots: Sequence[Path], span: Span | None, findings: Findings) -> VectorTable | None:
    if feature.file.endswith(NUMPY):
        return _numpy(feature, roots, span, findings)
    files = find_files([feature.file], roots, span, findings)
    if not files:
        return None
    vector = _columns(feature, files, span, findings)
    if vector is None:
        return None
    frames = [
        read_or_report(lambda: scan(file).select(feature.key, vector).collect(), file.path, file.name, span, findings)  # noqa: B023
        for file in files
    ]
    sound = [frame for frame in frames if frame is not None]
    if len(sound) < len(files):
        return None
    keys = pl.concat([as_text(frame[feature.key]) for frame in sound])
    lists = pl.concat([frame[vector].cast(pl.List(pl.Float32)) for frame in sound])
    return _checked(feature, keys, lists, tuple(files), span, findings)


def _columns(feature: FeaturePlan, files: Sequence[DataFile], span: Span | None, findings: Findings) -> str | None:
    """The column of vectors; None after telling which of the columns is missing or of another type."""
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
            said = f"{quoted(lists)} hold lists" if lists else "none of its columns holds lists"
            help = "write `vector: COLUMN`" if lists else f"its columns are {quoted(file.schema)}"
            message = f"which column of `{file.name}` has the vectors of `{feature.name}` is not clear"
            findings.add("E504", message, span, label=said, help=help)
            return None
        dtype: Any = file.schema[vector]
        if vector not in lists or not dtype.inner.is_numeric():
            message = f"`{feature.name}` needs vectors, but column `{vector}` of `{file.name}` holds something else"
            help = "a vector is a list of numbers: `list<float>` of parquet"
            findings.add("E504", message, span, label=f"this is `{dtype}`", help=help)
            return None
    return vector


def _numpy(feature: FeaturePlan, roots: Sequence[Path], span: Span | None, findings: Findings) -> VectorTable | None:
    places = expand_pattern(feature.file, roots, span, findings)
    if not places:
        return None
    if len(places) > 1:
        names = quoted((name for _, name in places), 3)
        message, helps = f"more than one file of vectors without keys: {names}", "write the path of one"
        findings.add("E514", message, span, label="rows are numbered from 0 in each", help=helps)
        return None
    ((path, name),) = places
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        findings.add("E502", f"`{name}` cannot be read", span, label="not a .npy file", help=f"numpy says: {said[0]}")
        return None
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        message = f"`{feature.name}` needs vectors, but `{name}` holds something else"
        helps = "write an array of numbers, a row for each vector"
        findings.add("E504", message, span, label=f"this is `{array.dtype}` of shape {array.shape}", help=helps)
        return None
    keys = pl.Series(range(len(array)), dtype=pl.Int64).cast(pl.String)
    files = (DataFile(path, name, pl.Schema()),)
    return _finite(feature, keys, array.astype(np.float32), files, span, findings)


def _checked(
    feature: FeaturePlan,
    keys: pl.Series,
    lists: pl.Series,
    files: tuple[DataFile, ...],
    span: Span | None,
    findings: Findings,
) -> VectorTable | None:
    names = quoted((file.name for file in files), 3)
    lengths = lists.list.len().fill_null(0)
    width = int(lengths[0]) if len(lengths) else 0
    odd = (lengths != width).arg_max() if len(lengths) and (lengths != width).any() else None
    twice = keys.is_duplicated() & keys.is_not_null()
    wrong = ""
    if keys.null_count():
        wrong = f"{keys.null_count():,} of {len(keys):,} keys in {names} are missing"
    elif twice.any():
        again = keys.filter(twice)
        wrong = f"{again.n_unique():,} keys in {names} occur more than once, the first is {cell_text(again[0])}"
    elif odd is not None:
        wrong = (
            f"the vectors in {names} differ in width: {width} numbers for {cell_text(keys[0])}, "
            f"{lengths[odd]} for {cell_text(keys[odd])}"
        )
    if wrong:
        helps = "write the file with one vector of one width for every key"
        findings.add("E514", wrong, span, label=f"the vectors of `{feature.name}`", help=helps)
        return None
    flat = lists.explode().to_numpy() if width else np.empty(0)
    return _finite(feature, keys, flat.reshape(len(lists), width).astype(np.float32), files, span, findings)


def _finite(
    feature: FeaturePlan,
    keys: pl.Series,
    vector_KG: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    files: tuple[DataFile, ...],
    span: Span | None,
    findings: Findings,
) -> VectorTable | None:
    names, label = quoted((file.name for file in files), 3), f"the vectors of `{feature.name}`"
    if not vector_KG.size:
        findings.add("E514", f"no vectors in {names}", span, label=label, help="write a vector for every key")
        return None
    bad_K = ~np.isfinite(vector_KG).all(axis=1)
    if bad_K.any():
        message = f"{int(bad_K.sum()):,} of {len(keys):,} vectors in {names} hold numbers that are missing or infinite"
        helps = f"the first is that of {cell_text(keys[int(bad_K.argmax())])}; leave such keys out of the file"
        findings.add("E514", message, span, label=label, help=helps)
        return None
    return VectorTable(tuple(keys.to_list()), vector_KG, files)
