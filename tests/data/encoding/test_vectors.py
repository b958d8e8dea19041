"""Files of vectors: what is read of them, and what is told of those that cannot be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aesm_dsl.data.checks.unmatched_keys import UnmatchedKeys
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.vectors import VectorTable, read_vectors
from aesm_dsl.data.open_tables import open_table
from aesm_dsl.data.reading.frames import open_frames
from aesm_dsl.data.store.cache import entry_key
from aesm_dsl.findings.diagnostic import Findings
from tests.data.encoding.test_kinds import plan_of
from tests.data.plans import fit_encoders

GOOD = pl.DataFrame({"fund": [3, 1, 2], "name": ["c", "a", "b"], "vector": [[0.5, 1.0], [0.25, -1.0], [0.0, 2.0]]})


def read(feature: str, folder: Path) -> tuple[VectorTable | None, Findings]:
    findings = Findings()
    return read_vectors(plan_of(feature), [folder], findings, lambda path: None).get("fund"), findings


@pytest.mark.parametrize("ending", ["parquet", "arrow", "npy"])
def test_keys_and_numbers(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"v.{ending}"
    if ending == "npy":
        np.save(path, np.array(GOOD["vector"].to_list(), dtype=np.float64))
    else:
        getattr(GOOD, "write_parquet" if ending == "parquet" else "write_ipc")(path)
    found, findings = read(f'fund = vectors(file: "v.{ending}")', tmp_path)
    assert not findings.items
    assert found is not None
    assert found.keys == (("0", "1", "2") if ending == "npy" else ("3", "1", "2"))
    assert found.vector_KG.dtype == np.float32
    assert found.vector_KG.tolist() == GOOD["vector"].to_list()


def test_columns_by_name_and_fixed_arrays(tmp_path: Path) -> None:
    table = GOOD.with_columns(pl.col("vector").cast(pl.Array(pl.Float32, 2)), other=pl.col("vector"))
    table.write_parquet(tmp_path / "v.parquet")
    found, findings = read('fund = vectors(file: "v.parquet", key: name, vector: vector)', tmp_path)
    assert not findings.items
    assert found is not None
    assert (found.keys, found.width) == (("c", "a", "b"), 2)


@pytest.mark.parametrize(
    ("table", "arguments", "code", "told"),
    [
        (None, "", "E501", "no file `v.parquet`"),
        (GOOD.drop("fund"), "", "E503", "no column `fund` in `v.parquet`"),
        (GOOD, ", vector: vectors", "E503", "no column `vectors` in `v.parquet`"),
        (GOOD.drop("vector"), "", "E504", "which column of `v.parquet` has the vectors of `fund` is not clear"),
        (GOOD.with_columns(other="vector"), "", "E504", "which column of `v.parquet` has the vectors of `fund`"),
        (GOOD, ", vector: name", "E504", "`fund` needs vectors, but column `name` of `v.parquet` holds something else"),
        (
            GOOD.with_columns(fund=pl.Series([1, 1, 2])),
            "",
            "E514",
            "1 keys in `v.parquet` occur more than once, the fi",
        ),
        (GOOD.with_columns(fund=pl.Series([1, None, 2])), "", "E514", "1 of 3 keys in `v.parquet` are missing"),
        (
            GOOD.with_columns(vector=pl.Series([[1.0, 2], [1], [1, 2]])),
            "",
            "E514",
            "the vectors in `v.parquet` differ in width: 2 numbers for `3`, 1 for `1`",
        ),
        (
            GOOD.with_columns(vector=pl.Series([[1.0, 2], [1, None], [float("nan"), 2]])),
            "",
            "E514",
            "2 of 3 vectors in `v.parquet` hold numbers that are missing or infinite",
        ),
        (GOOD.clear(), "", "E514", "no vectors in `v.parquet`"),
    ],
)
def test_what_cannot_be_used_is_told(
    table: pl.DataFrame | None, arguments: str, code: str, told: str, tmp_path: Path
) -> None:
    if table is not None:
        table.write_parquet(tmp_path / "v.parquet")
    found, findings = read(f'fund = vectors(file: "v.parquet"{arguments})', tmp_path)
    assert found is None
    (finding,) = findings.errors
    assert (finding.code, finding.message[: len(told)]) == (code, told)
    assert finding.help


def test_numpy_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY")
    np.save(tmp_path / "b.npy", np.array(["x"]))
    np.save(tmp_path / "c.npy", np.array([{"x": 1}]), allow_pickle=True)
    np.save(tmp_path / "d.npy", np.array([[1.0, np.inf]]))
    for name, code in (("a", "E502"), ("b", "E504"), ("c", "E502"), ("d", "E514"), ("*", "E514")):
        _, findings = read(f'fund = vectors(file: "{name}.npy")', tmp_path)
        assert [one.code for one in findings.errors] == [code]


def test_keys_are_the_vocabulary_and_survive_the_run(tmp_path: Path) -> None:
    GOOD.write_parquet(tmp_path / "v.parquet")
    plan = plan_of("seen = list(of: fund, most: 3)", 'fund = vectors(file: "v.parquet")', "last = same(of: fund)")
    found = read_vectors(plan, [tmp_path], Findings(), lambda path: None)
    rows = pl.DataFrame({"fund": [1.0, None, 9], "last": ["2", "", "3"], "seen": [[3, 1, 7], [None], None]})
    encoders = fit_encoders(plan, rows).with_keys({name: one.keys for name, one in found.items()})
    encoders = Encoders.from_json(encoders.to_json())
    assert encoders.encode(rows)[0].tolist() == [[2, 3, 1, 3, 4], [-1, -1, -1, 0, 0], [-1, -1, -1, 1, 2]]
    fitted = plan.with_rows(encoders.rows(), {"fund": 2})
    assert [(one.rows, one.given) for one in fitted.features] == [(5, 2)] * 3
    before = entry_key(plan, {"vectors fund": found["fund"].files})
    GOOD.head(2).write_parquet(tmp_path / "v.parquet")
    assert entry_key(plan, {"vectors fund": found["fund"].files}) != before


def test_values_without_a_vector_are_told(tmp_path: Path) -> None:
    GOOD.write_parquet(tmp_path / "v.parquet")
    plan = plan_of('fund = vectors(file: "v.parquet")', "seen = list(of: fund)", "last = same(of: fund)")
    rows = pl.DataFrame({"fund": [3, 1, None, 9], "last": ["f3", "f1", None, "1"], "seen": [[1, 2], [8], [None], []]})
    findings = Findings()
    reading = open_table(plan, open_frames(rows, "t", findings), findings, lambda path: None, labels=False)
    one = UnmatchedKeys(plan, {"fund": ("3", "1", "2")}, lambda path: None)
    for _, chunk in reading.checked("test", None):
        one.update(replace(chunk, part="train"))
    one.report(findings)
    (finding,) = findings
    assert finding.code == "W513"
    assert finding.message == "2 of 3 values of feature `last` have no vector in `v.parquet`, such as `f3`"
    assert finding.help == ("keys are compared as text; the file has `3`, `1`, `2`",)
