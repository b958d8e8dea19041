"""What the check of the rows says of numbers, dates, labels and weights, and that it says it before any training."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from aesm_dsl import check

SPEC = """\
aesm = 1
model m {{
  features f {{ {feature} }}
  tasks {{ task click {{ label = {label} }} }}
  data {{ train = "train.parquet"; {data} }}
}}
"""


def told(
    folder: Path, columns: dict[str, object], feature: str = "x = category()", label: str = "click", data: str = ""
) -> list[tuple[str, str, str]]:
    """Code, message and help of what is found; labels that nothing predicts are added."""
    rows = max(len(pl.Series(values)) for values in columns.values())
    filled = {"x": [number // 2 % 5 for number in range(rows)], "click": [number % 2 for number in range(rows)]}
    pl.DataFrame(filled | columns, strict=False).write_parquet(folder / "train.parquet")
    (folder / "m.aesm").write_text(SPEC.format(feature=feature, label=label, data=data), encoding="utf-8")
    found = check(folder / "m.aesm", data=True)
    return [(one.code, one.message, " | ".join(one.help)) for one in found if one.code not in ("W507", "W511", "W102")]


@pytest.mark.parametrize("value", ["5.0", "5", '"5"', '["no", 5]', '"5.0"'])
@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.Float32, pl.String, pl.Decimal(4, 1)])
def test_five_is_five(tmp_path: Path, value: str, dtype: type[pl.DataType]) -> None:
    rating = pl.Series([5, 4, 3, 5] * 10).cast(dtype)
    assert told(tmp_path, {"rating": rating}, label=f"equals(column: rating, value: {value})") == []


def test_labels_by_words(tmp_path: Path) -> None:
    said = pl.Series(["Y", "yes", "N", "no", None] * 8)
    assert told(tmp_path, {"said": said}, label='equals(column: said, value: ["Y", "yes"])') == []
    ((code, message, _),) = told(tmp_path, {"said": said}, label='equals(column: said, value: ["J", "ja"])')
    assert (code, message) == ("W501", "task `click` has no positives among the 40 training rows")


@pytest.mark.parametrize("dtype", [pl.Int64, pl.String])
def test_whole_numbers_above_a_bound_are_exact(tmp_path: Path, dtype: type[pl.DataType]) -> None:
    """1,152,921,504,606,846,976 is what a float makes of all of these."""
    bound = 2**60 + 20
    keys = pl.Series([bound - 3, bound] * 20).cast(dtype)
    label = f"above(column: k, value: {bound})"
    assert told(tmp_path, {"k": keys}, label=label)[0][1] == "task `click` has no positives among the 40 training rows"
    assert told(tmp_path, {"k": pl.Series([bound, bound + 1] * 20).cast(dtype)}, label=label) == []


def test_labels_above_a_bound_in_a_form(tmp_path: Path) -> None:
    paid = pl.Series(["1.000,50 €", "999,00 €"] * 20)
    label = 'above(column: paid, value: 1000, decimal: ",", thousands: ".", strip: "€")'
    assert told(tmp_path, {"paid": paid}, label=label) == []
    ((code, message, _),) = told(tmp_path, {"paid": paid}, label="above(column: paid, value: 1000)")
    assert (code, "text in 40 rows" in message) == ("E504", True)


@pytest.mark.parametrize(
    ("feature", "cells"),
    [
        ('price = number(decimal: ",")', ["1,5", "1.5"]),
        ('price = number(decimal: ",", thousands: ".")', ["1.000,5", "12.34"]),
        ("price = number(percent: true)", ["5 %", "5 €"]),
        ('price = date(format: "%d/%m/%Y")', ["31/01/2024", "2024-01-31"]),
        ('price = list(of: number(decimal: ","), separator: ";")', ["1,5;2", "1,5;2.5"]),
        ("price = date(parts: day)", ["20241021", "20241341"]),
    ],
)
def test_a_cell_of_another_form_is_told(tmp_path: Path, feature: str, cells: list[str]) -> None:
    found = told(tmp_path, {"price": [cells[0]] * 30 + [cells[1]] * 2}, feature)
    assert [code for code, _, _ in found] == ["E504"]
    assert f"in 2 rows; the first is `{cells[1]}` in row 31 of `train.parquet`" in found[0][1]


def test_dates_in_1970_and_constant_parts(tmp_path: Path) -> None:
    def of(cells: object, feature: str) -> list[tuple[str, str, str]]:
        return told(tmp_path, {"d": cells}, feature)

    ((code, message, help),) = of([202410 + step % 3 for step in range(40)], "d = date()")
    assert (code, message) == ("W525", "all 40 dates of column `d` lie in 1970, such as `202410`")
    assert "say how dates are written" in help
    days = [20241001 + step % 20 for step in range(40)]
    ((code, message, help),) = of(days, "d = date()")
    assert (code, message) == ("W525", "`hour` of column `d` is the same in all training rows")
    assert help == "write `parts: [weekday]`"
    assert of(days, "d = date(parts: [weekday, day])") == []
    assert of([14102100 + step % 24 for step in range(48)], "d = date(parts: hour)") == []


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.String])
def test_digits_of_dates_that_are_read_as_seconds(tmp_path: Path, dtype: type[pl.DataType]) -> None:
    def of(cells: list[int | None], feature: str) -> list[tuple[str, str, str]]:
        return told(tmp_path, {"d": pl.Series(cells).cast(dtype)}, feature)

    hours = [2024102100 + 100 * (step % 7) + step % 24 if step else None for step in range(60)]
    ((code, message, help),) = of(hours, "d = date()")
    assert (code, "all 59 dates of column `d` look like digits" in message) == ("W525", True)
    assert 'date(format: "%Y%m%d%H")' in help
    assert of(hours, 'd = date(format: "%Y%m%d%H")') == []
    assert not any("look like digits" in one[1] for one in of(hours, 'd = date(format: "%s")'))
    minutes = [202410210930 + 10000 * (step % 7) + 100 * (step % 9) for step in range(63)]
    ((code, _, help),) = of(minutes, "d = date()")
    assert (code, 'date(format: "%Y%m%d%H%M")' in help) == ("W525", True)
    assert not any("look like digits" in one[1] for one in of([*hours, 2024109999], "d = date()"))
    assert of([1_700_000_000 + 50_000 * step for step in range(60)], "d = date()") == []


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.String])
@pytest.mark.parametrize(
    ("cell", "help"),
    [
        (1_729_500_000_123, "these may be milliseconds since 1970: divide them by 1,000, or store timestamps"),
        (1_729_500_000_000_000, "these may be microseconds since 1970: divide them by 1,000,000, or store timestamps"),
        (20241021093000, 'this may be year, month, day and time in digits: `date(format: "%Y%m%d%H%M%S")`'),
        (9 * 10**16, "dates are ISO text"),
    ],
)
def test_numbers_too_large_for_seconds(tmp_path: Path, cell: int, help: str, dtype: type[pl.DataType]) -> None:
    cells = pl.Series([cell + 1000 * step for step in range(40)]).cast(dtype)
    ((code, _, helps),) = told(tmp_path, {"d": cells}, "d = date()")
    assert (code, help in helps) == ("E504", True)


def test_numbers_without_a_deviation(tmp_path: Path) -> None:
    ages = [20.0, 1.7e308, 30.0, 40.0, 50.0] * 8
    ((code, message, _),) = told(tmp_path, {"x": ages}, "x = number(scale: standard)")
    assert code == "E526"
    assert message == (
        "column `x` has no standard deviation: 8 rows hold numbers beyond 1e+150; the first is `1.7e+308` in row 2 of "
        "`train.parquet`"
    )
    for feature in ("x = number(scale: log)", "x = number(quantiles: 4)", "x = number(scale: none)"):
        assert "E526" not in [one[0] for one in told(tmp_path, {"x": ages}, feature)]


def test_weights(tmp_path: Path) -> None:
    ((code, message, _),) = told(tmp_path, {"w": [0.0] * 40}, data="weight = w")
    assert (code, message) == ("E527", "row weight `w` is 0 in all 40 training rows")
    ((code, message, _),) = told(tmp_path, {"w": [1.0] * 39 + [1e39]}, data="weight = w")
    assert code == "E509"
    assert message.endswith("too large in 1 row; the first is `1e+39` in row 40 of `train.parquet`")


def test_the_share_of_a_split(tmp_path: Path) -> None:
    days = ["2024-01-01"] * 60 + ["2024-01-02"] * 140
    ((code, message, _),) = told(tmp_path, {"day": days}, data="test = split(last: 10%, by: day)")
    assert code == "W526"
    assert message == "the test split takes 70.0% of the rows, not 10.0%: rows with the same `day` stay together"
    assert told(tmp_path, {"day": days}, data="test = split(last: 60%, by: day)") == []


@pytest.mark.parametrize(
    ("labels", "help"),
    [
        ([-1, 1] * 20, "labels of -1 and 1: `label = above(column: click, value: 0)`"),
        (
            ["yes", "no"] * 20,
            'words become a label by those that mean 1: `label = equals(column: click, value: "yes")`',
        ),
        ([0, 3] * 20, "a count or an amount becomes a label by a threshold: `label = above(column: click, value: 0)`"),
        ([0, 1, -1, 1] * 10, "a missing label is an empty cell (null), not -1"),
    ],
)
def test_labels_of_another_kind(tmp_path: Path, labels: list[object], help: str) -> None:
    ((code, _, found),) = told(tmp_path, {"click": labels})
    assert (code, found) == ("E508", help)


def test_labels_that_are_all_missing(tmp_path: Path) -> None:
    ((code, message, help),) = told(tmp_path, {"click": pl.Series([None] * 40, dtype=pl.Int64)})
    assert (code, message) == ("W501", "task `click` has no labels among the 40 training rows")
    assert help == "its cells are empty: read the column that holds the labels, or delete the task"


def test_maps_structs_and_the_nearest_free_column(tmp_path: Path) -> None:
    pairs = pl.Series([[{"key": "a", "value": 1}]] * 40)
    (found,) = told(tmp_path, {"tags": pairs}, "tags = list(of: category())")
    assert found[0] == "E504"
    assert "holds maps" in found[1]
    assert found[2] == "write its parts to columns of their own: a list of the keys, a column for each field"
    assert "holds structs" in told(tmp_path, {"tags": [{"a": 1}] * 40}, "tags = list(of: category())")[0][1]
    cities = {"click_": [0, 1] * 20, "clicks": [2, 3] * 20}
    (found,) = told(tmp_path, cities, "clickd = number()", label="click_")
    assert found[0] == "E503"
    assert found[2] in ("did you mean `clicks`?", "did you mean `click`?")
