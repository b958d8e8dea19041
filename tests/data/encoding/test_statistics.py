"""Statistics counted elsewhere: the documented SQL teaches what fitting teaches, and what is wrong is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aesm_dsl.api.check import check
from aesm_dsl.api.compile import compile_spec
from aesm_dsl.data.encoding import learners
from aesm_dsl.data.encoding.encoders import Encoders
from aesm_dsl.data.encoding.learners import NumberHistogram
from aesm_dsl.data.encoding.quantiles import quantile_boundaries
from aesm_dsl.data.prepare import prepare
from aesm_dsl.findings.diagnostic import Findings
from tests.conftest import PROJECT

SPEC = """\
aesm = 1

model m {
  features u {
    city = category(min_count: 2)
    age = number(quantiles: 4)
    price = number(scale: standard)
    stay = number(scale: log)
    tags = list(of: category())
    uid = id(buckets: 10k)
  }
  tasks { task click }
  data { train = "rows.parquet"; statistics = "statistics/*.parquet"; cache = "cache" }
}
"""
ROWS = 900


def rows() -> pl.DataFrame:
    draw = np.random.default_rng(0)
    blank = np.arange(ROWS) % 11 == 0
    frame = pl.DataFrame(
        {
            "city": draw.choice(["ulm", "bonn", "köln", "7"], ROWS, p=[0.5, 0.3, 0.199, 0.001]),
            "age": draw.integers(18, 60, ROWS),
            "price": draw.normal(50, 9, ROWS),
            "stay": draw.normal(0, 100, ROWS),
            "tags": [[f"t{tag}" for tag in draw.integers(0, 9, number)] for number in draw.integers(0, 4, ROWS)],
            "uid": np.arange(ROWS),
            "click": draw.integers(0, 2, ROWS),
        }
    )
    gone = [
        pl.when(pl.lit(pl.Series(blank))).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("city", "age", "price")
    ]
    return frame.with_columns(gone)


def documented() -> str:
    (sql,) = re.findall(r"^```sql\n(.*?)^```$", (PROJECT / "docs" / "data.md").read_text(), re.DOTALL | re.MULTILINE)
    return sql


def counted(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.SQLContext(rows=frame).execute(documented(), eager=True)


def write(folder: Path, *statistics: pl.DataFrame, spec: str = SPEC) -> None:
    rows().write_parquet(folder / "rows.parquet")
    (folder / "statistics").mkdir(exist_ok=True)
    for number, one in enumerate(statistics):
        one.write_parquet(folder / "statistics" / f"{number}.parquet")
    (folder / "m.aesm").write_text(spec)


def encoders(folder: Path, spec: str = SPEC, **given: Any) -> Encoders:
    (folder / "m.aesm").write_text(spec)
    findings = Findings()
    found = prepare(compile_spec(folder / "m.aesm").plan, [folder], findings, lambda key: None, **given)
    assert found is not None, findings.items
    return found.encoders


def close(one: Encoders, other: Encoders) -> bool:
    """The same but for the last digits of means and deviations."""
    texts = [json.loads(found.to_json())["features"] for found in (one, other)]
    numbers = [[(each.pop("mean", 0.0), each.pop("deviation", 0.0)) for each in text] for text in texts]
    assert texts[0] == texts[1]
    return numbers[0] == [pytest.approx(pair, rel=1e-9) for pair in numbers[1]]


def test_the_documented_sql_teaches_what_fitting_teaches(tmp_path: Path) -> None:
    write(tmp_path, counted(rows()))
    fitted = encoders(tmp_path, SPEC.replace('statistics = "statistics/*.parquet"; ', ""))
    assert close(encoders(tmp_path), fitted)
    # Those of several parts of the rows are added up.
    write(tmp_path, counted(rows()[:250]), counted(rows()[250:]))
    assert close(encoders(tmp_path), fitted)


def test_rows_that_are_trained_on_teach_nothing_then(tmp_path: Path) -> None:
    write(tmp_path, counted(rows()))
    first = encoders(tmp_path)
    rows()[:300].write_parquet(tmp_path / "rows.parquet")
    assert encoders(tmp_path) == first
    # Neither kept tables nor rows in memory forget it.
    write(tmp_path, counted(rows().with_columns(city=pl.lit("rom"))), counted(rows()))
    assert encoders(tmp_path).rows()["city"] == first.rows()["city"] + 1


def told(folder: Path) -> list[tuple[str, str, str]]:
    found = check(folder / "m.aesm", data=True)
    assert all(one.span is not None for one in found)
    return [(one.code, one.message, one.span.text) for one in found if one.span is not None]


def test_what_does_not_fit_is_told_at_once_and_at_its_place(tmp_path: Path) -> None:
    write(tmp_path, counted(rows()))
    assert told(tmp_path) == []
    wrong = [
        {"feature": "age", "value": "old", "count": 3},
        {"feature": "city", "value": "ulm", "count": 0},
        {"feature": "city", "value": "ulm", "count": None},
        {"feature": "price", "count": 9, "mean": 1.0, "deviation": -1.0},
        {"feature": "stay", "count": 9, "mean": None, "deviation": 1.0},
        {"feature": "elsewhere", "value": None, "count": -1},
    ]
    sound = counted(rows())
    write(tmp_path, pl.concat([sound, pl.DataFrame(wrong, schema=sound.schema)]))
    place, at = "statistics/0.parquet", sound.height
    assert told(tmp_path) == [
        ("E513", message, '"statistics/*.parquet"')
        for message in (
            f"column `count` of the statistics is wrong in 2 rows; the first is `0` in row {at + 2} of `{place}`",
            f"column `value` of the statistics is wrong in 1 row; the first is `old` in row {at + 1} of `{place}`",
            f"column `mean` of the statistics is wrong in 1 row; the first is a missing value in row {at + 5} of "
            f"`{place}`",
            f"column `deviation` of the statistics is wrong in 1 row; the first is `-1.0` in row {at + 4} of `{place}`",
        )
    ]


def test_features_that_nothing_is_said_of(tmp_path: Path) -> None:
    write(tmp_path, counted(rows()).with_columns(pl.col("feature").replace({"city": "citty", "stay": "night"})))
    found = check(tmp_path / "m.aesm", data=True)
    assert [(one.code, one.message) for one in found] == [
        ("E513", "the statistics have no rows about feature `city`"),
        ("E513", "the statistics have no rows about feature `stay`"),
    ]
    assert "did you mean `citty`?" in found.items[0].help
    write(tmp_path, counted(rows()).drop("count").rename({"mean": "means"}))
    found = check(tmp_path / "m.aesm", data=True)
    assert [(one.code, one.message) for one in found] == [
        ("E503", "no column `count` in `statistics/0.parquet`"),
        ("E503", "no column `mean` in `statistics/0.parquet`"),
    ]
    assert "did you mean `means`?" in found.items[1].help
    write(tmp_path, spec=SPEC.replace("statistics/*", "counted/*"))
    assert [one[0] for one in told(tmp_path)] == ["E501"]


def test_a_vocabulary_of_values_that_no_row_has(tmp_path: Path) -> None:
    otherwise = pl.when(pl.col("feature").is_in(["city", "tags"])).then(pl.col("value") + "x").otherwise("value")
    write(tmp_path, counted(rows()).with_columns(value=otherwise))
    assert [one[:2] for one in told(tmp_path)] == [
        (
            "E513",
            "the statistics know none of the values of feature `city` in the training rows, such as `ulm`; they know "
            "`7x`, `bonnx`, `kölnx` and 1 more",
        ),
        (
            "E513",
            "the statistics know none of the values of feature `tags` in the training rows, such as `t6`; they know "
            "`t0x`, `t1x`, `t2x` and 6 more",
        ),
    ]


def test_a_histogram_of_very_many_numbers_keeps_its_quantiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learners, "SAMPLE", 1000)
    values = np.random.default_rng(1).normal(size=20_000)
    seen = NumberHistogram()
    for part in np.split(values, 10):
        seen.add(pl.DataFrame({"value": part, "count": np.full(2000, 3)}))
        seen.settle()
    shares = [(values <= edge).mean() for edge in seen.boundaries(8).all]
    assert shares == pytest.approx(np.arange(1, 8) / 8, abs=0.005)
    assert seen.boundaries(8) != quantile_boundaries(values, 8)
