"""What a missing value and an unknown one become, kind by kind; every kind of feature is in the list."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.vectors import read_vectors
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.embedding import Embedding
from aesm_dsl.plan.tables import sparse_table_keys
from aesm_dsl.spec.features import KINDS
from tests.data.encoding.test_kinds import plan_of
from tests.data.plans import fit_encoders

NAN = math.nan
CASES: dict[str, tuple[str, pl.Series, list[float], pl.Series, list[float]]] = {
    "category": ("category()", pl.Series(["a", "b"]), [0], pl.Series(["new"]), [1]),
    "id": ("id(buckets: 1)", pl.Series([1, 2]), [0], pl.Series([99]), [1]),
    "number": ("number(quantiles: 2)", pl.Series([1.0, 2.0]), [0], pl.Series([1e9]), [2]),
    "number, scaled": ("number(scale: standard)", pl.Series([1.0, 3.0]), [NAN], pl.Series([1e9]), [10]),
    "date": (
        "date(parts: [hour, month])",
        pl.Series(["2024-01-31"]),
        [0, 25],
        pl.Series(["1066-10-14 09:00"]),
        [10, 35],
    ),
    "list": ("list(of: category(), most: 2)", pl.Series([["a"]]), [-1, -1], pl.Series([[None, "new"]]), [1, -1]),
    "sequence": ("sequence(of: id(buckets: 1), last: 2)", pl.Series([[1]]), [-1, -1], pl.Series([[7, None]]), [1, -1]),
    "same": ("same(of: other)", pl.Series(["a"]), [0], pl.Series(["new"]), [1]),
    "cross": ("cross(of: [other, other2], buckets: 1)", pl.Series(["a"]), [0], pl.Series(["new"]), [1]),
    "vectors": ('vectors(file: "v.npy")', pl.Series([0, 1]), [0], pl.Series([99]), [1]),
}


def test_every_kind_is_in_the_list() -> None:
    assert {name.partition(",")[0] for name in CASES} == {model.call_name() for model in KINDS}


@pytest.mark.parametrize("kind", CASES)
def test_missing_and_unknown(kind: str, tmp_path: Path) -> None:
    written, train, missing, unknown, then = CASES[kind]
    np.save(tmp_path / "v.npy", np.ones((3, 16)))
    plan = plan_of(f"x = {written}", "other = category()", "other2 = category(column: other)")
    keys = {name: one.keys for name, one in read_vectors(plan, [tmp_path], Findings(), lambda path: None).items()}

    def table(cells: pl.Series, other: pl.Series) -> pl.DataFrame:
        return pl.DataFrame({"x": cells, "other": other})

    made_of_others = train if train.dtype == pl.String else pl.Series(["a"] * len(train))
    encoders = fit_encoders(plan, table(train, made_of_others)).with_keys(keys)
    encoders = Encoders.from_json(encoders.to_json())
    nothing = train.clear(1)
    blank = nothing if made_of_others.dtype == nothing.dtype else pl.Series([None], dtype=pl.String)
    strange = unknown if unknown.dtype == pl.String else pl.Series(["new"])
    empty: list[pl.Series] = [nothing]
    empty += [pl.Series([""])] if train.dtype == pl.String else [pl.Series([NAN])] if train.dtype.is_numeric() else []
    feature = plan.features[0]
    for cells, other, expected in [*((cells, blank, missing) for cells in empty), (unknown, strange, then)]:
        ids_RS, value_RV = encoders.encode(table(cells, other))
        found = value_RV[0] if feature.values else ids_RS[0, : feature.slots]
        np.testing.assert_array_equal(found, expected)

    fitted = plan.with_rows(encoders.rows(), dict.fromkeys(keys, 16))
    embedding = Embedding(fitted.features, sparse_table_keys(fitted))
    ids_RS, value_RV = encoders.encode(table(nothing, blank))
    x_BD = embedding(torch.from_numpy(ids_RS).long(), torch.from_numpy(value_RV))
    assert x_BD.isfinite().all()
    x_BD[:, : feature.width].sum().backward()
    assert any(one.grad is not None and one.grad.to_dense().any() for one in embedding.parameters()), "is it learnt?"
