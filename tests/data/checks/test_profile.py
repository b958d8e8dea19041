"""What training rows are like: counts against plain loops, sketches against the truth, words against planted worlds."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from aesm_dsl.cli.main import app
from aesm_dsl.data.checks.profile import Profile
from aesm_dsl.data.checks.user_overlap import KEPT, UserOverlap
from aesm_dsl.data.reading.checked_rows import CheckedRows
from aesm_dsl.data.reading.files import TableRows
from aesm_dsl.data.reading.hashing import hash64
from aesm_dsl.plan.data import DataPlan
from aesm_dsl.plan.plan import Plan
from aesm_dsl.report.profile import advice
from tests.data.plans import Make

make = Make()


def plan() -> Plan:
    return make.plan(
        [make.feature("age", "number", 9), make.feature("city", "category", 9)],
        [make.level("page", "page", {"home": (), "cart": ()})],
        [make.task("click", "click"), make.task("buy", "buy")],
        DataPlan(("t.csv",), None, None, None, user="who"),
    )


def report(frame: pl.DataFrame, at: tuple[int, ...] = ()) -> dict[str, Any]:
    """The profile of rows with columns page, click, buy and the features."""
    profile, made = Profile(plan()), plan()
    for start, stop in pairwise([0, *at, frame.height]):
        rows = frame[start:stop]
        nodes = rows["page"].replace_strict({"home": 0, "cart": 1}, return_dtype=pl.Int64).to_numpy()[:, None]
        labels = rows.select(pl.col("click", "buy").cast(pl.Float32).fill_null(np.nan)).to_numpy()
        assert nodes.shape[1] == len(made.levels)
        profile.update(
            CheckedRows("train", TableRows(rows, "t.csv", start), nodes, labels, np.ones(len(nodes), np.float32))
        )
    return profile.summary()


def table(rows: int = 3000, seed: int = 0, unlike: bool = False) -> pl.DataFrame:
    """`click` follows `age`; under `cart`, a tenth of the rows, in the same way or the opposite one."""
    draw = np.random.default_rng(seed)
    cart = draw.random(rows) < 0.1
    age = draw.normal(size=rows)
    click = draw.random(rows) < 1 / (1 + np.exp(-3 * np.where(cart & unlike, -age, age)))
    made = pl.DataFrame(
        {
            "age": age,
            "city": draw.choice(["a", "b"], rows),
            "page": np.where(cart, "cart", "home"),
            "click": click.astype(int),
            "buy": (click & (draw.random(rows) < 0.5)).astype(int),
            "who": draw.integers(0, 500, rows),
        }
    )
    blank = pl.int_range(pl.len()) % 7 == 0
    return made.with_columns(pl.when(blank).then(None).otherwise(pl.col(name)).alias(name) for name in ("city", "buy"))


def test_counts_and_correlations_are_those_of_a_plain_loop() -> None:
    frame = table()
    found = report(frame, (1, 700, 2999))
    assert found == report(frame)
    assert json.loads(json.dumps(found)) == found
    for place, name in enumerate(("home", "cart")):
        rows = frame.filter(page=name)
        leaf, node = found["leaves"][place], found["levels"][0]["nodes"][place]
        both = rows.drop_nulls("buy")
        assert (leaf["leaf"], leaf["rows"], node["rows"]) == (name, rows.height, rows.height)
        assert leaf["labels"] == {"click": rows.height, "buy": both.height}
        assert leaf["positives"] == {"click": rows["click"].sum(), "buy": both["buy"].sum()}
        assert leaf["correlation"][0]["phi"] == pytest.approx(np.corrcoef(both["click"], both["buy"])[0, 1], abs=1e-4)
        assert node["missing"] == {"city": round(rows["city"].null_count() / rows.height, 4)}
        assert node["users"] == rows["who"].n_unique()
    (shared,) = found["levels"][0]["shared users"]
    of = [set(frame.filter(page=name)["who"]) for name in ("home", "cart")]
    assert shared["users"] == len(of[0] & of[1])


def test_a_task_that_never_varies_has_no_correlation() -> None:
    found = report(table(200).with_columns(buy=pl.lit(0)))
    assert [leaf["correlation"][0]["phi"] for leaf in found["leaves"]] == [None, None]


def test_users_beyond_the_sketch_are_estimated() -> None:
    users = UserOverlap(2)
    one, other = range(100_000), range(60_000, 110_000)
    for start in range(0, 100_000, 9_999):
        users.update(0, hash64(pl.Series(one[start : start + 9_999]))[0])
    users.update(1, hash64(pl.Series(other))[0])
    error = 4 / KEPT**0.5
    assert users.count(0) == pytest.approx(100_000, rel=error)
    assert users.count(1) == pytest.approx(50_000, rel=error)
    assert users.shared(0, 1) == pytest.approx(40_000, rel=2 * error)


@pytest.mark.parametrize("unlike", [False, True])
def test_it_is_said_whether_a_small_leaf_is_like_the_others(unlike: bool) -> None:
    found = report(table(6000, unlike=unlike))
    (cart,) = [one for one in found["likeness"] if (one["leaf"], one["task"]) == ("cart", "click")]
    assert cart["small"]
    assert (cart["alike"] < 0.2) if unlike else (cart["alike"] > 0.9)
    said = " ".join(advice(found))
    assert f"`cart` (click, {cart['alike']:.2f})" in said
    assert ("sharing should help them" in said) != unlike
    assert ("unlike the others: shared experts alone may harm them" in said) == unlike


SPEC = """\
aesm = 1

model m {
  features user { age = number(); city = category() }
  level page { node home; node cart }
  tasks { task click; task buy }
  data { train = "t.csv"; test = split(from: 2400, by: number); user = who }
}
"""


def test_check_prints_a_profile_or_gives_it_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.aesm").write_text(SPEC)
    table().with_row_index("number").write_csv("t.csv")
    done = CliRunner().invoke(app, ["check", "m.aesm", "--profile"])
    assert done.exit_code == 0
    for said in ("training rows by leaf (2,400 train, 600 test)", "nodes of `page`", "city missing", "phi click / buy"):
        assert said in done.stdout
    made = json.loads(CliRunner().invoke(app, ["check", "m.aesm", "--profile", "--format", "json"]).stdout)
    assert made["findings"] == []
    assert made["profiles"]["m.aesm"]["rows"] == {"train": 2400, "test": 600}
    Path("t.csv").unlink()
    done = CliRunner().invoke(app, ["check", "m.aesm", "--profile", "--format", "json"])
    assert done.exit_code == 1
    made = json.loads(done.stdout)
    assert ([one["code"] for one in made["findings"]], made["profiles"]) == (["E501"], {"m.aesm": None})
