"""`aesm init`, as typed: drafts are sound specs, and leave out what gives the answer away."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from aesm_dsl.api import init as api
from aesm_dsl.api.check import check
from aesm_dsl.api.compile import compile_spec
from aesm_dsl.api.train import train
from aesm_dsl.cli.main import app
from aesm_dsl.data.simulate.fund_search import write_world
from aesm_dsl.findings.error import AesmError
from aesm_dsl.findings.render import render
from aesm_dsl.spec.model import Spec
from tests.conftest import PROJECT


def init(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["init", *map(str, arguments)])


def drafted(table: Path, folder: Path) -> Spec:
    """The spec that is drafted, after checking it and its rows."""
    path = api.init(table, folder / "spec.aesm")
    findings = check(path, data=True)
    assert not findings.errors, render(findings)
    assert CliRunner().invoke(app, ["fmt", "--check", str(path)]).exit_code == 0
    return Spec.parse(path.read_text(), str(path))


@pytest.fixture(scope="module")
def real_draft(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The draft of a real table, by its name: made and checked once for all tests."""

    @cache
    def draft(table: str) -> Path:
        folder = tmp_path_factory.mktemp("draft")
        drafted(real_data / f"{table}.parquet", folder)
        return folder / "spec.aesm"

    return draft


def spec_of(path: Path) -> Spec:
    return Spec.parse(path.read_text(), str(path))


def features(spec: Spec) -> dict[str, Any]:
    return {name: one for group in spec.features for name, one in group.members.items()}


def test_hotel_bookings(real_draft: Callable[[str], Path]) -> None:
    spec = spec_of(real_draft("hotel-bookings"))
    assert [task.label for task in spec.tasks.tasks] == ["is_canceled"]
    assert [level.name for level in spec.levels] == ["hotel", "market_segment"]
    under = {node.title: node.under for node in spec.levels[1].nodes}
    assert under["Aviation"] == under["Undefined"] == ("city_hotel",)
    assert under["Groups"] is None
    leaks = {
        "reservation_status",
        "reservation_status_date",
        "assigned_room_type",
        "required_car_parking_spaces",
        "row",
    }
    assert not leaks & set(features(spec))
    assert {"lead_time", "adr", "country", "deposit_type"} < set(features(spec))
    assert features(spec)["arrival_date"].parts == ("weekday",)
    assert spec.data is not None
    assert [getattr(part, "by", None) for part in (spec.data.valid, spec.data.test)] == ["arrival_date"] * 2
    text = real_draft("hotel-bookings").read_text()
    assert "# reservation_status: a leak: alone it predicts `is_canceled` (AUC 1.000)\n" in text
    assert "# required_car_parking_spaces: is not 0 only where `is_canceled` is 0: known only afterwards\n" in text


def test_census_income(real_draft: Callable[[str], Path]) -> None:
    spec = spec_of(real_draft("census-income-kdd"))
    assert {"y_income", "y_never_married"} < {task.name for task in spec.tasks.tasks}
    after = {task.name: task.after for task in spec.tasks.tasks}
    assert (after["y_edu_bachelor_plus"], after["y_income"]) == ("y_edu_associate_plus", None)
    assert not {"education", "marital_stat", "income_50k", "instance_weight", "split"} & set(features(spec))
    assert not spec.levels
    assert spec.data is not None
    assert getattr(spec.data.test, "equals", None) == "test"


KNOWN_LATER = ("booking_changes", "total_of_special_requests")
"""Columns of the hotel bookings that grow until the stay."""


@pytest.mark.parametrize(
    ("table", "hand_made", "edits", "never"),
    [
        (
            "hotel-bookings",
            "hotel",
            KNOWN_LATER,
            (
                "reservation_status",
                "reservation_status_date",
                "assigned_room_type",
                "is_canceled",
                "required_car_parking_spaces",
            ),
        ),
        (
            "census-income-kdd",
            "census",
            (),
            ("education", "marital_stat", "income_50k", "instance_weight", "split", "y_income", "y_never_married"),
        ),
    ],
)
def test_two_edits_make_a_draft_what_a_hand_made_spec_is(
    table: str,
    hand_made: str,
    edits: tuple[str, ...],
    never: tuple[str, ...],
    real_data: Path,
    real_draft: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    """What has to be deleted is flagged; then it has the features of our own spec, of its kinds, and trains."""
    path = tmp_path / "spec.aesm"
    lines = real_draft(table).read_text().splitlines(keepends=True)
    wrong = [line for line in lines if line.split(" = ")[0].strip() in edits]
    assert len(wrong) == len(edits) <= 2
    assert all("is it known in time?" in line for line in wrong)
    path.write_text("".join(line for line in lines if line not in wrong))
    mine, ours = Spec.parse(path.read_text(), str(path)), compile_spec(PROJECT / "specs" / f"{hand_made}.aesm").spec
    assert not {*never, *edits} & set(features(mine))
    kinds = {name: one.call in ("id", "category") for name, one in features(mine).items()}
    things = {name for name, one in features(ours).items() if one.call in ("id", "category") and name not in AMOUNTS}
    assert things <= {name for name, is_thing in kinds.items() if is_thing}
    assert set(features(ours)) <= set(features(mine))
    rows = tmp_path / "rows.parquet"
    pl.scan_parquet(real_data / f"{table}.parquet").gather_every(20).sink_parquet(rows)
    run = train(path, tmp_path / "run", overrides=[f'data.train="{rows}"', "train.length=3 steps"])
    assert run.info["steps"] == 3


AMOUNTS = ("capital_gains", "capital_losses", "weeks_worked")
"""Numbers of few values that the hand-made spec takes one by one."""


def test_a_draft_trains(tmp_path: Path) -> None:
    write_world(tmp_path, 2000, 1)
    path = api.init(tmp_path / "train.parquet", tmp_path / "spec.aesm")
    spec = Spec.parse(path.read_text())
    assert [(task.name, task.after) for task in spec.tasks.tasks][-1] == ("is_buy", "is_click")
    assert [level.name for level in spec.levels] == ["entry", "card"]
    run = train(path, tmp_path / "run", overrides=["train.length=2 steps"])
    assert run.info["steps"] == 2


def rows(**columns: Any) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    click = draw.random(400) < 0.4
    basic = {"user_id": draw.integers(0, 90, 400), "price": draw.random(400), "clicked": click.astype(int)}
    return pl.DataFrame({**basic, **columns}, strict=False)


def test_columns_of_every_kind(tmp_path: Path) -> None:
    made = rows(
        constant=[3] * 400,
        empty=[None] * 400,
        tags=[["a"]] * 400,
        nested=[[["a"]]] * 400,
        request=[f"r{place}" for place in range(400)],
        sample_weight=np.random.default_rng(1).random(400),
        page=["a b", "a-b", None, "首页"] * 100,
    )
    made = made.with_columns(pl.col("clicked").alias("copy"), (pl.col("clicked") * 2).cast(pl.String).alias("said"))
    made.write_parquet(tmp_path / "t.parquet")
    path = api.init(tmp_path / "t.parquet", tmp_path / "spec.aesm")
    spec, text = Spec.parse(path.read_text()), path.read_text()
    assert set(features(spec)) == {"user_id", "price", "page"}
    for said in (
        "constant: has one value only",
        "empty: is missing in every row",
        "tags: has one value only",
        "nested: holds structs, bytes or lists of lists",
        "request: differs in nearly every row",
        "sample_weight: looks like a row weight",
        "copy: a leak: alone it predicts `clicked`",
        "said: a leak: alone it predicts `clicked`",
    ):
        assert f"# {said}" in text
    assert spec.data is not None
    assert spec.data.user == "user_id"


def test_lists_moments_and_tails(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    seen = [draw.integers(0, 60, size).tolist() for size in draw.integers(0, 31, 400)]
    made = rows(
        seen=seen,
        words=["|".join(draw.choice(["a", "b", "c"], size)) for size in draw.integers(0, 5, 400)],
        heard=[";".join(map(str, draw.choice(20, size))) for size in draw.integers(1, 5, 400)],
        title=[f"{one}, and so on" for one in range(400)],
        paid=draw.lognormal(3, 2, 400),
        agent=draw.choice(np.arange(1000) ** 2, 400, p=(heavy := draw.pareto(0.7, 1000)) / heavy.sum()),
        dealt=draw.choice(np.arange(1000) ** 2, 400, p=heavy / heavy.sum()),
        num_agent=draw.integers(0, 60, 400),
        height=draw.normal(170, 8, 400),
        seen_at=[f"2024-01-{1 + place // 14:02} {place % 24:02}:30:00" for place in range(400)],
        born=["2024-05-06"] * 200 + ["2024-05-07"] * 200,
    )
    made.write_parquet(tmp_path / "t.parquet")
    spec = drafted(tmp_path / "t.parquet", tmp_path)
    text = " ".join((tmp_path / "spec.aesm").read_text().split())
    for said in (
        "seen = sequence(of: category(min_count: 10), last: 30)",
        'words = list(of: category(), separator: "|")',
        'heard = list(of: category(), separator: ";")',
        "paid = number(scale: log)",
        "agent = category",
        "dealt = number(quantiles:",
        "num_agent = number(quantiles:",
        "height = number(quantiles: 32)",
        "seen_at = date # the rows are split by it; as a `number`",
        "# born: a timestamp that no later row has again",
        "# title: differs in nearly every row",
    ):
        assert said in text
    assert features(spec)["seen_at"].parts == ("hour", "weekday")


def test_columns_about_the_same_things_share_a_table(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    lists = [draw.integers(0, 80, size).tolist() for size in draw.integers(0, 6, 400)]
    made = rows(
        fund_id=draw.integers(0, 80, 400),
        last_fund_id=draw.integers(0, 80, 400),
        clicked_fund_ids=lists,
        related_funds=lists,
        fund_ids=["|".join(map(str, one)) for one in lists],
        fund_type_id=draw.integers(0, 15, 400),
        last_fund_type=["?"] * 200 + ["!"] * 200,
        genre=draw.choice(["a", "b", "c"], 400),
        hist_genres=[list(draw.choice(["a", "b", "c"], size)) for size in draw.integers(1, 4, 400)],
    )
    made.write_parquet(tmp_path / "t.parquet")
    spec = drafted(tmp_path / "t.parquet", tmp_path)
    text = " ".join((tmp_path / "spec.aesm").read_text().split())
    for said in (
        "fund_id = category(min_count: 10)",
        "last_fund_id = same(of: fund_id)",
        "clicked_fund_ids = sequence(of: fund_id)",
        "related_funds = list(of: category(min_count: 10))",
        'fund_ids = list(of: fund_id, separator: "|")',
        "fund_type_id = category",
        "last_fund_type = category",
        "hist_genres = sequence(of: genre)",
    ):
        assert said in text
    assert train(tmp_path / "spec.aesm", tmp_path / "run", overrides=["train.length=2 steps"]).info["steps"] == 2
    assert "related_funds" in features(spec)


@pytest.mark.parametrize(
    ("name", "flagged"),
    [("booking_changes", True), ("watch_time", True), ("prev_changes", False), ("avg_dwell", False), ("change", True)],
)
def test_what_may_grow_is_flagged_by_its_name(name: str, flagged: bool, tmp_path: Path) -> None:
    rows(**{name: np.random.default_rng(4).integers(0, 9, 400)}).write_parquet(tmp_path / "t.parquet")
    drafted(tmp_path / "t.parquet", tmp_path)
    assert ("it may grow later" in (tmp_path / "spec.aesm").read_text()) is flagged


def test_strange_names_and_values_are_written_as_they_are(tmp_path: Path) -> None:
    places = ['a "b"', "a-b", "a_b", "1\n2", "none"] * 80
    made = rows(**{"the page": places, "Prix (€)\n": list(range(40)) * 10, "tasks": ["x", "y"] * 200})
    made.write_parquet(tmp_path / "t.parquet")
    spec = drafted(tmp_path / "t.parquet", tmp_path)
    (level,) = spec.levels
    assert (level.name, level.column) == ("the_page", "the page")
    assert sorted(str(node.value[0]) if node.value else node.name for node in level.nodes) == sorted(set(places))
    assert {one.column for one in features(spec).values()} >= {"Prix (€)\n"}


def test_a_csv_is_drafted_by_what_its_cells_say(tmp_path: Path) -> None:
    made = rows(day=[f"2024-01-{1 + place // 14:02}" for place in range(400)], entry=["home", "cart"] * 200)
    made.write_csv(tmp_path / "t.csv")
    spec = drafted(tmp_path / "t.csv", tmp_path)
    assert features(spec)["price"].call == "number"
    assert features(spec)["day"].parts == ("weekday",)
    assert spec.data is not None
    assert getattr(spec.data.test, "by", None) == "day"
    assert [node.value for node in spec.levels[0].nodes] == [None, None]


def test_the_table_is_named_from_where_the_spec_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    rows().write_parquet("data/t.parquet")
    done = init("data/t.parquet", "-o", "specs/mine.aesm")
    assert (done.exit_code, done.stdout) == (0, "")
    assert 'train = "../data/t.parquet"' in Path("specs/mine.aesm").read_text()
    assert init("data/t.parquet").exit_code == 0
    assert Path("t.aesm").exists()


def test_nothing_is_replaced_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows().write_parquet("t.parquet")
    Path("t.aesm").write_text("mine")
    with pytest.raises(AesmError, match=r"`t\.aesm` exists already"):
        api.init("t.parquet")
    assert Path("t.aesm").read_text() == "mine"
    assert init("t.parquet", "--overwrite").exit_code == 0
    assert json.loads(CliRunner().invoke(app, ["check", "t.aesm", "--format", "json"]).stdout) == []


def test_tables_that_cannot_be_drafted(tmp_path: Path) -> None:
    rows().drop("clicked").write_parquet(tmp_path / "unlabelled.parquet")
    rows().clear().write_parquet(tmp_path / "none.parquet")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1,2,3\n")
    for name, code in {
        "unlabelled.parquet": "E511",
        "none.parquet": "E505",
        "ragged.csv": "E502",
        "x.csv": "E501",
    }.items():
        with pytest.raises(AesmError) as caught:
            api.init(tmp_path / name, tmp_path / "spec.aesm")
        assert [one.code for one in caught.value.findings] == [code]
    assert not (tmp_path / "spec.aesm").exists()


def test_what_was_shown_together_is_the_query(tmp_path: Path) -> None:
    draw, rows = np.random.default_rng(0), 2000
    x = draw.normal(size=rows)
    frame = {
        "session_id": [f"s{row // 4}" for row in range(rows)],
        "request_id": [f"r{row}" for row in range(rows)],
        "city": draw.choice(["rome", "oslo", "bern"], rows),
        "x": x,
        "is_click": (draw.random(rows) < 1 / (1 + np.exp(1 - x))).astype(int),
    }
    pl.DataFrame(frame).write_parquet(tmp_path / "rows.parquet")
    spec = drafted(tmp_path / "rows.parquet", tmp_path)
    # A request of one row was not shown together with others.
    assert spec.data is not None
    assert spec.data.query == "session_id"
    assert {"session_id", "request_id"}.isdisjoint(features(spec))
