"""The simulated world: the same every time, true to its truth, and torn between its groups."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aesm_dsl.data.simulate.fund_search import simulate, write_world
from aesm_dsl.data.simulate.fund_world import CITIES, CLICK, LEAVES, PURCHASE, SIGNALS, TASTE, Leaf
from aesm_dsl.training.metrics.auc import auc

# fmt: off
COLUMNS = [
    "entry", "card", "user_id", "age", "city", "risk", "assets",
    "fund_id", "fund_type", "yield_1y", "fee", "fund_risk", "match", "position",
    "hour", "day", "is_click", "is_buy", "truth_click", "truth_purchase",
    "truth_click_anywhere", "truth_purchase_anywhere",
]
# fmt: on


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return simulate(120_000, 7)


def test_columns_and_ranges(frame: pl.DataFrame) -> None:
    assert frame.columns == COLUMNS
    assert frame["day"].is_sorted()
    assert frame["day"].unique().to_list() == list(range(30))
    assert frame["user_id"].min() > 2**32  # type: ignore[operator]
    assert set(frame["city"].drop_nulls().unique()) == set(CITIES)
    assert 0.03 < frame["city"].null_count() / frame.height < 0.05
    assert 0.04 < frame["assets"].null_count() / frame.height < 0.06
    assert frame["fund_id"].str.len_chars().unique().to_list() == [6]
    assert frame["match"].is_between(0, 1).all()
    assert frame["position"].is_between(1, 20).all()
    assert not any(part.has_nulls() for part in frame.drop("city", "assets"))


def test_same_seed_same_files_other_seed_other_rows(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_world(tmp_path / name, 3000, 5, 0.2)
    for name in ("train.parquet", "test.parquet", "truth.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "test.parquet",
        "train.parquet",
        "truth.json",
    ]
    assert not simulate(1000, 5).equals(simulate(1000, 6))


def test_the_last_days_are_the_test_rows(tmp_path: Path) -> None:
    world = write_world(tmp_path / "new" / "folder", 30_000, 7, 0.2)
    train, test = pl.read_parquet(world.train), pl.read_parquet(world.test)
    assert (train["day"].max(), test["day"].min()) == (23, 24)
    assert (train.height, test.height) == (24_000, 6_000)
    assert pl.concat([train, test]).equals(simulate(30_000, 7, 24))
    truth = json.loads(world.truth.read_text(encoding="utf-8"))
    assert truth["bayes_auc"] == world.bayes_auc
    assert world.bayes_auc["click"] == auc(test["truth_click_anywhere"].to_numpy(), test["is_click"].to_numpy())
    assert [leaf["share"] for leaf in truth["leaves"]] == [leaf.share for leaf in LEAVES]


def test_a_world_needs_rows_on_both_sides(tmp_path: Path) -> None:
    for rows, share in ((5, 0.2), (1000, 0.0), (1000, 1.0)):
        with pytest.raises(ValueError, match="a table without rows"):
            write_world(tmp_path / "never", rows, 7, share)
    assert not (tmp_path / "never").exists()


def test_traffic(frame: pl.DataFrame) -> None:
    assert sum(leaf.share for leaf in LEAVES) == pytest.approx(1)
    for leaf in LEAVES:
        share = frame.filter(entry=leaf.entry, card=leaf.card).height / frame.height
        assert share == pytest.approx(leaf.share, abs=0.005)
    users = frame["user_id"].value_counts(sort=True)["count"]
    assert users[0] > 50 * users.median()  # type: ignore[operator]


def test_rates_and_funnel(frame: pl.DataFrame) -> None:
    click, buy = frame["is_click"].to_numpy(), frame["is_buy"].to_numpy()
    assert 0.15 < click.mean() < 0.25
    assert 0.15 < buy[click == 1].mean() < 0.25
    assert frame.filter(pl.col("is_buy") > pl.col("is_click")).height == 0
    assert (frame["truth_purchase"] <= frame["truth_click"]).all()


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: f"{leaf.entry}-{leaf.card}")
def test_the_truth_is_calibrated_in_every_leaf(frame: pl.DataFrame, leaf: Leaf) -> None:
    own = frame.filter(entry=leaf.entry, card=leaf.card)
    for truth, drawn in (("truth_click", "is_click"), ("truth_purchase", "is_buy")):
        for half in (own.filter(pl.col(truth) < own[truth].median()), own.filter(pl.col(truth) >= own[truth].median())):
            p = half[truth].to_numpy()
            deviation = np.sqrt((p * (1 - p)).sum())
            assert abs(half[drawn].sum() - p.sum()) < 4 * deviation


def test_before_the_test_days_the_position_says_what_a_ranker_liked(frame: pl.DataFrame) -> None:
    shown = frame.with_columns(rows=pl.len().over("fund_id"), depth=pl.col("position").log())
    ranked, random = shown.filter(pl.col("day") < 24), shown.filter(pl.col("day") >= 24)
    for column in ("match", "rows"):
        assert ranked.select(pl.corr("depth", column, method="spearman")).item() < -0.25
        assert abs(random.select(pl.corr("depth", column, method="spearman")).item()) < 0.02
    assert ranked["is_click"].mean() == pytest.approx(random["is_click"].mean(), abs=0.01)


def test_the_truth_anywhere_is_the_mean_over_random_positions(frame: pl.DataFrame) -> None:
    random = frame.filter(pl.col("day") >= 24)
    for leaf in LEAVES[:3]:
        own = random.filter(entry=leaf.entry, card=leaf.card)
        for label, truth in (("is_click", "truth_click_anywhere"), ("is_buy", "truth_purchase_anywhere")):
            p = own[truth].to_numpy()
            assert abs(own[label].sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())
    top, low = random.filter(position=1), random.filter(position=20)
    assert top["truth_click"].mean() > 1.3 * top["truth_click_anywhere"].mean()  # type: ignore[operator]
    assert low["truth_click"].mean() < 0.7 * low["truth_click_anywhere"].mean()  # type: ignore[operator]


def test_groups_disagree() -> None:
    """For any two groups of a task some weights have opposite signs, and so has their taste."""
    for weights in (CLICK, PURCHASE):
        for one, other in combinations(weights, 2):
            flips = [s for s, a, b in zip(SIGNALS, weights[one], weights[other], strict=True) if a * b < 0]
            assert len(flips) >= 3
            assert any(a * b < 0 for a, b in zip(TASTE[one], TASTE[other], strict=True))


def test_groups_cut_across_entries_and_cards() -> None:
    by_pair = {(leaf.entry, leaf.card): leaf for leaf in LEAVES}
    for card in ("hot_funds", "fund_product", "theme"):
        search, wealth = by_pair["search", card], by_pair["wealth", card]
        assert search.click != wealth.click
    for entry in ("search", "wealth"):
        assert len({leaf.click for leaf in LEAVES if leaf.entry == entry}) == 3
    assert ("wealth", "article") not in by_pair


def test_one_groups_response_ranks_anothers_rows_badly(frame: pl.DataFrame) -> None:
    """The seesaw: scores fitted to the largest leaf lose much on a leaf of another group, little on its own."""

    def design(rows: pl.DataFrame) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        match = np.log(rows["match"].to_numpy() / (1 - rows["match"].to_numpy()))
        young = (rows["age"].to_numpy() - 38) * np.where(rows["fund_type"].is_in(["money", "bond"]), 1, -1)
        mismatch = np.abs(rows["risk"].to_numpy() - rows["fund_risk"].to_numpy())
        columns = [match, rows["yield_1y"].to_numpy() * 9, young / 11, mismatch, np.log(rows["position"].to_numpy())]
        return np.stack([np.ones(rows.height), *columns], axis=1)

    def fitted(rows: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        x, y = design(rows), rows["is_click"].to_numpy()
        return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0])

    def score(entry: str, card: str) -> tuple[float, float]:
        rows = frame.filter(entry=entry, card=card)
        x, y = design(rows), rows["is_click"].to_numpy().astype(np.float64)
        return auc(x @ big, y), auc(x @ fitted(rows), y)

    big = fitted(frame.filter(entry="search", card="fund_product"))
    theirs, own = score("wealth", "theme")
    assert own - theirs < 0.03
    for entry, card in (("search", "hot_funds"), ("wealth", "hot_funds"), ("search", "theme")):
        theirs, own = score(entry, card)
        assert own - theirs > 0.1


def test_auc_is_the_share_of_ordered_pairs() -> None:
    chance = np.random.default_rng(0)
    score, label = chance.integers(0, 6, 60).astype(np.float64), chance.integers(0, 2, 60).astype(np.float64)
    pairs = [(a > b) + (a == b) / 2 for a in score[label == 1] for b in score[label == 0]]
    assert auc(score, label) == pytest.approx(np.mean(pairs))
    assert auc(score, np.ones(60)) is None
