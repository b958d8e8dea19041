"""`aesm init` on tables as people have them: the draft is honest, and it trains without an edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aesm_dsl.api import init as api
from aesm_dsl.api.check import check
from aesm_dsl.api.train import train
from aesm_dsl.findings.render import render
from aesm_dsl.spec.model import Spec
from tests.cli.test_init import features

ROWS = 4_000


def drafted(table: Path) -> tuple[Spec, str]:
    """The spec that is drafted, which must fit its table, and its text with single blanks."""
    path = api.init(table, table.parent / "spec.aesm")
    findings = check(path, data=True)
    assert not findings.errors, render(findings)
    text = path.read_text()
    return Spec.parse(text, str(path)), " ".join(text.split())


def trained(folder: Path) -> dict[str, Any]:
    run = train(folder / "spec.aesm", folder / "run", overrides=["train.length=3 epochs", f'data.cache="{folder}/c"'])
    return {f"{row['leaf']} {row['task']}": row["auc"] for row in run.metrics.to_dicts()}


def euros(amount: float) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,")) + " €"


def test_a_funnel_whose_first_step_does_not_sound_like_one(tmp_path: Path) -> None:
    """As in a well-known table of e-mails: a visit, a conversion that needs one, and what was spent."""
    draw = np.random.default_rng(0)
    visit = draw.random(ROWS) < 0.3
    bought = visit & (draw.random(ROWS) < 0.2)
    pl.DataFrame(
        {
            "recency": draw.integers(1, 13, ROWS),
            "history": draw.lognormal(5, 1, ROWS).round(2),
            "newbie": draw.integers(0, 2, ROWS),
            "channel": draw.choice(["Web", "Phone", "Multichannel"], ROWS),
            "came": visit.astype(int),
            "conversion": bought.astype(int),
            "spend": np.where(bought & (draw.random(ROWS) < 0.7), draw.lognormal(4, 1, ROWS).round(2), 0.0),
        }
    ).write_csv(tmp_path / "t.csv")
    spec, text = drafted(tmp_path / "t.csv")
    assert [(task.name, task.after) for task in spec.tasks.tasks] == [("came", None), ("conversion", "came")]
    assert "every row with `conversion` has it" in text
    assert "# spend: is not 0 only where `conversion` is 1: known only afterwards" in text
    assert set(features(spec)) == {"recency", "history", "newbie"}
    # Nothing that is left predicts anything: an honest model guesses.
    assert all(auc is None or auc < 0.7 for auc in trained(tmp_path).values())


def test_what_was_so_before_a_label_is_left_out_if_in_doubt(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    member = draw.random(ROWS) < 0.4
    pl.DataFrame(
        {
            "price": draw.random(ROWS),
            "is_member": member.astype(int),
            "landing": [f"p{number % 7}" if there else None for number, there in enumerate(member)],
            "reason_not": ["late" if number % 3 else None for number in range(ROWS)],
            "bought": (member & (draw.random(ROWS) < 0.3)).astype(int),
        }
    ).with_columns(
        reason_not=pl.when(pl.col("bought") == 0).then("reason_not"),
        last_order=pl.when(pl.col("bought") == 1).then(1.5),
    ).write_parquet(tmp_path / "t.parquet")
    spec, text = drafted(tmp_path / "t.parquet")
    assert set(features(spec)) == {"price"}
    assert "# is_member: every row with `bought` has it: an outcome, or a feature if it is known in time" in text
    assert "# landing: is filled wherever `bought` is 1: a feature only if it is known in time" in text
    assert "# reason_not: is filled only where `bought` is 0: known only afterwards" in text
    assert "# last_order: a leak" in text


def test_ratings_become_a_task(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    user = draw.integers(1, 200, ROWS)
    pl.DataFrame(
        {
            "user_id": user,
            "movie_id": draw.integers(1, 300, ROWS),
            "rating": draw.choice([1, 2, 3, 4, 5], ROWS, p=[0.06, 0.11, 0.26, 0.35, 0.22]),
            "timestamp": draw.integers(956_703_932, 1_046_454_590, ROWS),
            "gender": np.array(["M", "F"])[user % 2],
            "zip": (user * 7 % 90_000).astype(str),
        }
    ).write_parquet(tmp_path / "t.parquet")
    spec, text = drafted(tmp_path / "t.parquet")
    assert "label = above(column: rating, value: 3)" in text
    assert {features(spec)[name].call for name in ("user_id", "movie_id", "zip")} == {"category"}
    assert features(spec)["timestamp"].parts == ("hour", "weekday")
    assert spec.data is not None
    assert spec.data.user == "user_id"
    assert getattr(spec.data.test, "by", None) == "timestamp"
    assert set(trained(tmp_path)) != set()


def test_a_messy_csv(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    price = draw.lognormal(4, 1.5, ROWS)
    click = draw.random(ROWS) < 0.4
    bought = click & (draw.random(ROWS) < 0.3)
    pl.DataFrame(
        {
            "": np.arange(ROWS),
            "User ID": draw.integers(1, 300, ROWS),
            "pageName": draw.choice(["home", "search", "cart"], ROWS),
            "Price": [euros(one) for one in price],
            "discount": [f"{one}%" for one in draw.integers(0, 60, ROWS)],
            "date": [f"{day:02}/{month:02}/2024" for day, month in draw.integers(1, (29, 7), (ROWS, 2))],
            "opt-in": draw.choice(["Y", "N"], ROWS),
            "clicked": np.where(click, "click", "noclick"),
            "basket_value": [euros(one) if there else None for one, there in zip(price, bought, strict=True)],
            "purchase_amount": draw.random(ROWS).round(3),
            "last_purchase_amount": [euros(one) for one in draw.lognormal(4, 1.5, ROWS)],
            "bought": np.where(bought, "Y", "N"),
        }
    ).write_csv(tmp_path / "t.csv")
    spec, text = drafted(tmp_path / "t.csv")
    for said in (
        'price = number(column: Price, scale: log, decimal: ",", thousands: ".", strip: "€")',
        "discount = number(quantiles: 16, percent: true)",
        'date = date(parts: weekday, format: "%d/%m/%Y")',
        "level page_name {",
        'task clicked { label = equals(column: clicked, value: "click")',
        'task bought { label = equals(column: bought, value: "Y")',
        "after = clicked",
        'split(by: date, last: 20%, format: "%d/%m/%Y")',
        'user = "User ID"',
        "# basket_value: a leak",
        "# purchase_amount: by its name, known only afterwards",
    ):
        assert said in text
    assert set(features(spec)) == {"user_id", "price", "discount", "date", "opt_in", "last_purchase_amount"}
    assert any(name.startswith("search ") for name in trained(tmp_path))


def test_chinese_headers(tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    click = draw.random(ROWS) < 0.4
    bought = click & (draw.random(ROWS) < 0.3)
    pl.DataFrame(
        {
            "用户ID": draw.integers(1, 300, ROWS),
            "场景": draw.choice(["首页", "搜索"], ROWS),
            "卡片 Type": draw.choice(["大卡", "小卡", "图文"], ROWS),
            "曝光时间": [f"2024年{month}月{day}日" for day, month in draw.integers(1, (29, 7), (ROWS, 2))],
            "价格": draw.lognormal(3, 1, ROWS),
            "坑位": draw.integers(1, 20, ROWS),
            "是否点击": np.where(click, "是", "否"),
            "是否购买": bought.astype(int),
            "订单金额": np.where(draw.random(ROWS) < 0.5, 3.5, 8.5),
        }
    ).write_csv(tmp_path / "t.csv")
    spec, text = drafted(tmp_path / "t.csv")
    assert [level.column or level.name for level in spec.levels] == ["场景", "卡片 Type"]
    assert [(task.name, task.after) for task in spec.tasks.tasks] == [("是否点击", None), ("是否购买", "是否点击")]
    assert spec.data is not None
    assert spec.data.user == "用户ID"
    assert getattr(spec.data.test, "format", None) == "%Y年%m月%d日"
    assert "# 订单金额: by its name, known only afterwards" in text
    assert "坑位 = number(quantiles: 16) # by its name, where the row was shown" in text
    assert set(features(spec)) == {"用户id", "曝光时间", "价格", "坑位"}
    assert trained(tmp_path)


@pytest.mark.parametrize("other", [pl.Float64, pl.Decimal(10, 2), pl.String])
def test_a_column_may_have_another_type_in_every_file(other: Any, tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    for name, kinds in {"a": {}, "b": {"page": other, "clicked": pl.Int8, "price": pl.Float32}}.items():
        pl.DataFrame(
            {
                "page": draw.choice([1, 2, 30], 500),
                "clicked": draw.random(500) < 0.4,
                "price": draw.integers(0, 50, 500),
            }
        ).cast(kinds).write_parquet(tmp_path / f"{name}.parquet")
    path = api.init(tmp_path / "*.parquet", tmp_path / "spec.aesm")
    findings = check(path, data=True)
    assert not findings.errors, render(findings)
    spec = Spec.parse(path.read_text())
    assert sorted((node.value or (node.name,))[0] for node in spec.levels[0].nodes) == ["1", "2", "30"]
    assert [task.name for task in spec.tasks.tasks] == ["clicked"]
    assert features(spec)["price"].call == "number"


def test_a_column_that_some_files_lack_is_left_out_and_said(tmp_path: Path) -> None:
    rows = pl.DataFrame({"price": np.arange(100), "clicked": [0, 1] * 50})
    rows.write_parquet(tmp_path / "a.parquet")
    rows.with_columns(extra=pl.lit(1)).write_parquet(tmp_path / "b.parquet")
    path = api.init(tmp_path / "*.parquet", tmp_path / "spec.aesm")
    assert "# extra: some of the files lack it" in path.read_text()


def test_the_index_of_pandas_is_no_feature(tmp_path: Path) -> None:
    draw = np.random.default_rng(6)
    pl.DataFrame(
        {
            "price": draw.random(400),
            "clicked": draw.integers(0, 2, 400),
            "__index_level_0__": draw.integers(0, 90, 400),
            "Unnamed: 0": draw.integers(0, 90, 400),
        }
    ).write_parquet(tmp_path / "t.parquet")
    spec, text = drafted(tmp_path / "t.parquet")
    assert set(features(spec)) == {"price"}
    assert "# __index_level_0__: by its name, the numbers of the rows" in text


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ((-1, 1), "label = above(column: clicked, value: 0)"),
        (("true", "false"), "label = clicked"),
        (("yes", "no"), 'label = equals(column: clicked, value: "yes")'),
        (("unclicked", "clicked"), 'label = equals(column: clicked, value: "clicked")'),
        (("none", "click"), 'label = equals(column: clicked, value: "click")'),
    ],
)
def test_labels_in_words_and_signs(values: tuple[Any, Any], label: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(7)
    cells = [values[number] for number in draw.integers(0, 2, 400)]
    pl.DataFrame({"price": draw.random(400), "clicked": cells}).write_csv(tmp_path / "t.csv")
    _, text = drafted(tmp_path / "t.csv")
    assert label in text


def test_ids_are_hashed_only_if_no_vocabulary_can_hold_them(tmp_path: Path) -> None:
    """The sample is a part of the table: users that differ in nearly every row of it come back in the others."""
    rows = 300_000
    draw = np.random.default_rng(8)
    pl.DataFrame(
        {"user_id": draw.integers(0, 150_000, rows), "price": draw.random(rows), "clicked": draw.integers(0, 2, rows)}
    ).write_parquet(tmp_path / "t.parquet")
    path = api.init(tmp_path / "t.parquet", tmp_path / "spec.aesm")
    assert "user_id = category(min_count: 10, limit: 500000)" in " ".join(path.read_text().split())


def as_csv(folder: Path, **writing: Any) -> Path:
    """A csv with missing numbers and missing words, written in one way or another."""
    draw = np.random.default_rng(9)
    pl.DataFrame(
        {
            "价格": [f"{one:.2f}" if number % 9 else "-" for number, one in enumerate(draw.lognormal(3, 1, 500))],
            "city": [("\\N", "北京", 'a "b", c')[number % 3] for number in range(500)],
            "clicked": draw.integers(0, 2, 500),
        }
    ).write_csv(folder / "t.csv", **writing)
    return folder / "t.csv"


@pytest.mark.parametrize(
    ("separator", "encoding", "said"),
    [
        (",", "utf-8", 'format = csv(null: ["\\\\N", "-"])'),
        (";", "utf-8", 'format = csv(separator: ";", null: ["\\\\N", "-"])'),
        ("\t", "gbk", 'format = csv(separator: "\\t", encoding: "gbk", null: ["\\\\N", "-"])'),
        (",", "utf-16", 'format = csv(encoding: "utf-16", null: ["\\\\N", "-"])'),
    ],
)
def test_how_a_csv_is_written(separator: str, encoding: str, said: str, tmp_path: Path) -> None:
    path = as_csv(tmp_path, separator=separator)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    spec, text = drafted(path)
    assert said in text
    assert features(spec)["价格"].call == "number"
    assert features(spec)["city"].call == "category"


def test_a_csv_as_spark_writes_it(tmp_path: Path) -> None:
    path = as_csv(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('""', '\\"'), encoding="utf-8")
    _, text = drafted(path)
    assert 'escape: "\\\\"' in text


def test_files_that_are_left_out_are_told(tmp_path: Path) -> None:
    rows = pl.DataFrame({"price": np.arange(100), "clicked": [0, 1] * 50})
    rows.write_parquet(tmp_path / "a.parquet")
    rows.write_csv(tmp_path / "b.csv")
    told: list[str] = []
    api.init(tmp_path, tmp_path / "spec.aesm", warn=lambda findings: told.extend(one.code for one in findings))
    assert told == ["W514"]
