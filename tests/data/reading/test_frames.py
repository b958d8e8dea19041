"""Rows that Python holds: polars, pandas with and without pyarrow, Arrow, mappings; one frame, several, or rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest

from aesm_dsl.data.checks.column_uses import ColumnUse, FailedUses
from aesm_dsl.data.checks.columns import check_columns
from aesm_dsl.data.reading.convert_frame import to_polars
from aesm_dsl.data.reading.files import read_chunks
from aesm_dsl.data.reading.frames import open_frames
from aesm_dsl.findings.diagnostic import Findings


def rows_of(data: Any, columns: list[str] | None = None) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """All rows, and code and message of what is told."""
    findings = Findings()
    files = open_frames(data, "the table", findings)
    chunks = list(read_chunks(files, columns, None, findings)) if files else []
    return [row for chunk in chunks for row in chunk.frame.to_dicts()], [(one.code, one.message) for one in findings]


def told_of_types(data: Any, needs: str) -> list[str]:
    findings = Findings()
    files = open_frames(data, "the table", findings)
    use = ColumnUse("features.u.x", "x", "feature `x`", needs)
    check_columns({"train": (files, [use])}, findings, lambda path: None, FailedUses())
    return [one.message for one in findings]


def test_a_list_of_mappings_is_a_list_of_rows_whatever_their_values() -> None:
    rows = [{"uid": 7, "tags": [1, 2, 3], "city": "ulm"}] * 500
    assert rows_of(rows) == (rows, [])
    assert rows_of(lambda: iter(rows)) == (rows, [])
    scalar = [{"uid": 1}, {"uid": None}, {"uid": 2, "city": "ulm"}]
    assert rows_of(scalar)[0] == [{"uid": 1, "city": None}, {"uid": None, "city": None}, {"uid": 2, "city": "ulm"}]
    assert rows_of({"uid": [1, 2], "tags": [[1], []]})[0] == [{"uid": 1, "tags": [1]}, {"uid": 2, "tags": []}]
    assert rows_of([{"uid": 1}, pl.DataFrame({"uid": [1]})])[1][0][0] == "E502"
    assert rows_of([pl.DataFrame({"uid": [1]}), {"uid": 1}])[1][0][0] == "E502"


def test_every_frame_is_looked_at() -> None:
    first = pl.DataFrame({"x": [1, 2]})
    as_lists = pl.DataFrame({"x": [[1], [2]]})
    assert told_of_types([first, as_lists, as_lists], "numbers") == [
        "feature `x` needs numbers, but column `x` of `frame 2 of the table` holds lists"
    ]
    assert told_of_types([first, pl.DataFrame({"y": [1]})], "numbers") == ["no column `x` in `frame 2 of the table`"]
    assert rows_of(lambda: iter([first, pl.DataFrame({"x": ["a"]})]))[0] == [{"x": 1}, {"x": 2}, {"x": "a"}]


def test_rows_that_change_from_reading_to_reading() -> None:
    calls = iter([3, 2, 3])
    assert rows_of(lambda: iter([pl.DataFrame({"x": range(next(calls))})]))[1] == [
        ("E516", "rows of `the table` are lost")
    ]
    columns = iter("xy")
    code, message = rows_of(lambda: iter([pl.DataFrame({next(columns): [1]})]), ["x"])[1][0]
    assert (code, message) == ("E502", "`the table` cannot be read")
    assert rows_of(iter([pl.DataFrame({"x": [1]})]))[1][0][0] == "E502"


class Series:
    """What is used of a pandas Series of objects."""

    def __init__(self, cells: list[Any]) -> None:
        self.cells, self.dtype = cells, "object"

    def isna(self) -> Any:
        return Series([cell is None for cell in self.cells])

    def tolist(self) -> list[Any]:
        return self.cells


class Frame:
    """What is used of a pandas DataFrame where pyarrow is missing."""

    iloc = None

    def __init__(self, **columns: list[Any]) -> None:
        self.held, self.columns = columns, list(columns)

    def __getitem__(self, column: str) -> Series:
        return Series(self.held[column])


def test_a_column_that_nothing_can_convert_matters_only_where_it_is_read() -> None:
    frame = Frame(x=[1, None], odd=[1, "a"], things=[object(), None])
    assert rows_of(frame, ["x"]) == ([{"x": 1}, {"x": None}], [])
    findings = Findings()
    (file,) = open_frames(frame, "the table", findings)
    assert isinstance(file.schema["odd"], pl.Object)
    assert not findings.items


PANDAS: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "zoned": (
        lambda pd: pd.to_datetime(["2024-01-31 08:00", None]).tz_localize("Asia/Shanghai"),
        [dt.datetime(2024, 1, 31, 0), None],
    ),
    "seconds": (
        lambda pd: pd.Series(["2024-01-31", None]).astype("datetime64[s]"),
        [dt.datetime(2024, 1, 31), None],
    ),
    "Int64": (lambda pd: pd.array([2**60 + 1, None], dtype="Int64"), [2**60 + 1, None]),
    "boolean": (lambda pd: pd.array([True, None], dtype="boolean"), [True, None]),
    "string": (lambda pd: pd.array(["a", None], dtype="string"), ["a", None]),
    "converted": (lambda pd: pd.Series(["a", None]).convert_dtypes(), ["a", None]),
    "category": (lambda pd: pd.Categorical(["a", None]), ["a", None]),
    "objects": (lambda pd: pd.Series(["a", float("nan")], dtype=object), ["a", None]),
    "lists": (lambda pd: pd.Series([[1, 2], None], dtype=object), [[1, 2], None]),
    "floats": (lambda pd: pd.Series([1.5, float("nan")]), [1.5, None]),
}


@pytest.mark.parametrize("by_arrow", [True, False])
@pytest.mark.parametrize("name", PANDAS)
def test_columns_of_pandas(name: str, by_arrow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pd = pytest.importorskip("pandas")
    if by_arrow:
        pytest.importorskip("pyarrow")
    elif hasattr(pd.DataFrame, "__arrow_c_stream__"):
        monkeypatch.delattr(pd.DataFrame, "__arrow_c_stream__")
    make, expected = PANDAS[name]
    frame = pd.DataFrame({"x": make(pd), "period": pd.period_range("2024-01", periods=2, freq="M"), "n": [1, 2]})
    cells = to_polars(frame)["x"].fill_nan(None) if name == "floats" else to_polars(frame)["x"]
    if name == "zoned":
        cells = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    assert cells.to_list() == expected
    assert [row["n"] for row in rows_of(frame, ["n"])[0]] == [1, 2]


def test_ids_of_pandas_that_lost_their_digits_are_told() -> None:
    pd = pytest.importorskip("pandas")
    ids = [2**60 + row for row in range(4)]
    frames = [pd.DataFrame({"x": ids}), pd.DataFrame({"x": [*ids, None]})]
    found = Findings()
    from aesm_dsl.data.open_tables import open_table
    from tests.data.encoding.test_kinds import plan_of

    reading = open_table(plan_of("x = id()"), open_frames(frames, "t", found), found, lambda path: None, labels=False)
    reading.check_all(())
    assert [one.code for one in found] == ["E504"]
    assert "in 4 rows; the first is `1.15" in found.items[0].message


def test_tables_of_arrow() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"x": [1, 2], "view": pa.array([[1], [2]], pa.list_view(pa.int64()))})
    assert rows_of(table, ["x"]) == ([{"x": 1}, {"x": 2}], [])
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
    assert rows_of(reader, ["x"])[1][0][0] in ("E502", "E516")


def test_generators_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def frames() -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"x": [1]})
        yield pl.DataFrame({"x": [2]})

    assert rows_of(frames) == ([{"x": 1}, {"x": 2}], [])
    assert rows_of(pl.LazyFrame({"x": [1, 2]}))[0] == [{"x": 1}, {"x": 2}]
