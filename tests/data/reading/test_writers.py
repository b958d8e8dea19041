"""The same rows from every writer are the same rows: their encodings are equal, and so are all scores.

Writers whose library is not installed are skipped; `make writers` installs all of them.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.open_tables import open_table
from aesm_dsl.data.reading.data_file import DataFile
from aesm_dsl.data.reading.files import find_files
from aesm_dsl.data.reading.frames import open_frames
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.compiled import compile_loaded
from aesm_dsl.plan.plan import Plan
from aesm_dsl.spec.model import Spec
from tests.data.plans import fit_encoders
from tests.data.reading.writers_of_rows import REFUSED, WRITERS
from tests.data.reading.written_rows import SPEC, table


def plan_for(form: str | None = None) -> Plan:
    text = SPEC if form is None else SPEC.replace('train = "rows"', f'train = "rows"; format = {form}')
    compiled = compile_loaded(Spec.parse(text), Findings())
    assert compiled is not None
    return compiled.plan


@cache
def encoders() -> Encoders:
    return fit_encoders(plan_for(), table())


def encoded(plan: Plan, files: list[DataFile], findings: Findings) -> list[tuple[object, ...]]:
    """Ids, numbers, nodes and labels of every row, in an order that does not depend on that of the files."""
    reading = open_table(plan, files, findings, lambda path: None)
    rows = []
    for _, chunk in reading.checked("test", None):
        ids_RS, value_RV = encoders().encode(chunk.rows.frame)
        number = chunk.rows.frame["seen"].cast(pl.String).str.replace("T", " ").str.slice(0, 16).to_list()
        arrays = (ids_RS, value_RV, chunk.node_RL, chunk.label_RT)
        rows += [
            (when, *(tuple(np.nan_to_num(array[row], nan=-1.0).tolist()) for array in arrays))
            for row, when in enumerate(number)
        ]
    return sorted(rows)


@cache
def expected(tell: bool) -> list[tuple[object, ...]]:
    """What the rows themselves give; ClickHouse's writer replaces a text that its TSV could not hold."""
    findings = Findings()
    rows = table()
    rows = rows.with_columns(pl.col("city").str.replace("say", "tell")) if tell else rows
    found = encoded(plan_for(), open_frames(rows, "rows", findings), findings)
    assert not findings.items
    return found


@pytest.mark.parametrize("writer", WRITERS)
def test_the_same_rows_from_every_writer(tmp_path: Path, writer: str) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    form = WRITERS[writer](table(), folder)
    plan, findings = plan_for(form), Findings()
    assert plan.data is not None
    files = find_files(["rows"], [tmp_path], None, findings, plan.data.format)
    assert not findings.items, findings.items
    found = encoded(plan, files, findings)
    assert not findings.items, findings.items
    assert found == expected(writer.startswith("ClickHouse"))


@pytest.mark.parametrize("writer", REFUSED)
def test_tables_that_keep_versions_are_refused(tmp_path: Path, writer: str) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    REFUSED[writer](table(), folder)
    findings = Findings()
    assert not find_files(["rows"], [tmp_path], None, findings)
    assert [one.code for one in findings] == ["E515"]
    assert f"a table of {writer}" in findings.items[0].message


NUMBERS = st.integers(-(2**52), 2**52)
COLUMNS = {
    "whole": st.tuples(
        st.just((pl.Int64, pl.Float64, pl.Decimal(20, 2), pl.String)), st.lists(NUMBERS | st.none(), min_size=1)
    ),
    "hundredths": st.tuples(
        st.just((pl.Float64, pl.Decimal(20, 2), pl.Decimal(20, 4))),
        st.lists(st.integers(-(10**9), 10**9).map(lambda n: n / 100) | st.none(), min_size=1),
    ),
    "truth": st.tuples(st.just((pl.Boolean,)), st.lists(st.booleans() | st.none(), min_size=1)),
    "days": st.tuples(
        st.just((pl.Date, pl.Datetime("ms"), pl.Datetime("us"))),
        st.lists(st.dates(dt.date(1900, 1, 1)) | st.none(), min_size=1),
    ),
}
KINDS = ("x = category()", "x = id(buckets: 1000)", "x = number(scale: none)", "x = number(quantiles: 4)")


@pytest.mark.parametrize("feature", KINDS)
@pytest.mark.parametrize("column", COLUMNS)
def test_types_and_files_do_not_matter(tmp_path_factory: pytest.TempPathFactory, column: str, feature: str) -> None:
    text = "aesm = 1\nmodel m { features f { " + feature + " }\ntasks { task y } }"
    compiled = compile_loaded(Spec.parse(text), Findings())
    assert compiled is not None
    plan = compiled.plan
    folder = tmp_path_factory.mktemp("types")

    @settings(max_examples=15, deadline=None)
    @given(COLUMNS[column])
    def holds(drawn: tuple[tuple[pl.DataType, ...], list[object]]) -> None:
        types, cells = drawn
        first = pl.DataFrame({"x": pl.Series(cells).cast(types[0])})
        fitted, seen = fit_encoders(plan, first), []
        for dtype in types:
            if feature.startswith("x = id") and dtype == pl.Float64 and column == "hundredths":
                continue
            frame = first.select(pl.col("x").cast(dtype))
            frame.write_parquet(folder / "a.parquet")
            frame.write_ipc_stream(folder / "a.arrow")
            frame.with_columns(y=0).write_csv(folder / "a.csv")
            for name in ("a.parquet", "a.arrow", "a.csv"):
                findings = Findings()
                reading = open_table(
                    plan, find_files([name], [folder], None, findings), findings, lambda path: None, labels=False
                )
                parts = [fitted.encode(chunk.rows.frame) for _, chunk in reading.checked("test", None)]
                assert not findings.errors
                seen.append([np.nan_to_num(np.concatenate(one), nan=-1.0).tolist() for one in zip(*parts, strict=True)])
        assert all(one == seen[0] for one in seen)

    holds()
