"""The abstract world: the same every time, true to its truth, with groups that have nothing in common."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aesm_dsl.data.simulate.groups import GROUPS, NAMES, SHARES, draw_truth, simulate_groups, write_groups
from aesm_dsl.training.metrics.auc import auc


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return simulate_groups(60_000, 3)


def test_traffic(frame: pl.DataFrame) -> None:
    assert sum(SHARES) == pytest.approx(1)
    assert (max(SHARES), min(SHARES)) == (0.40, 0.02)
    for name, share in zip(NAMES, SHARES, strict=True):
        assert frame.filter(scenario=name).height / frame.height == pytest.approx(share, abs=0.007)


@pytest.mark.parametrize("seed", range(20))
def test_every_group_has_a_large_scenario_and_a_smaller_one(seed: int) -> None:
    known = draw_truth(seed)
    assert set(known.group_N[:GROUPS].tolist()) == set(known.group_N[GROUPS:].tolist()) == set(range(GROUPS))
    np.testing.assert_allclose(known.direction_GS @ known.direction_GS.T, np.eye(GROUPS), atol=1e-12)


def test_the_groups_are_drawn() -> None:
    assert len({tuple(draw_truth(seed).groups.values()) for seed in range(20)}) > 10


def test_the_truth_is_calibrated_in_every_scenario(frame: pl.DataFrame) -> None:
    for name in NAMES:
        own = frame.filter(scenario=name)
        for half in (own.filter(pl.col("truth") < 0.4), own.filter(pl.col("truth") >= 0.4)):
            p = half["truth"].to_numpy()
            assert abs(half["is_hit"].sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())


def test_what_a_scenario_responds_to_is_its_groups(frame: pl.DataFrame) -> None:
    """The linear part of the log odds, found by least squares, is alike within a group and not across."""
    known = draw_truth(3)
    found = []
    for name in NAMES:
        own = frame.filter(scenario=name)
        p_R = own["truth"].to_numpy()
        x_RX = own.select([f"x{k}" for k in range(1, 7)]).to_numpy()
        weight_X, *_ = np.linalg.lstsq(np.column_stack([x_RX, np.ones(own.height)]), np.log(p_R / (1 - p_R)))
        found.append(weight_X[:6])
    for one in range(len(NAMES)):
        expected = 2.5 * known.direction_GS[known.group_N[one], :6]
        np.testing.assert_allclose(found[one], expected, atol=0.3)


def test_same_seed_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_groups(tmp_path / name, 2000, 5, 0.25)
    for name in ("train.parquet", "test.parquet", "truth.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    train, test = (pl.read_parquet(tmp_path / "one" / f"{part}.parquet") for part in ("train", "test"))
    assert (train.height, test.height) == (1500, 500)
    assert pl.concat([train, test]).equals(simulate_groups(2000, 5))
    assert not train.equals(simulate_groups(1500, 6))
    told = json.loads((tmp_path / "one" / "truth.json").read_text(encoding="utf-8"))
    assert told["bayes_auc"] == auc(test["truth"].to_numpy(), test["is_hit"].to_numpy())
    assert [one["group"] for one in told["scenarios"]] == draw_truth(5).group_N.tolist()
    with pytest.raises(ValueError, match="a table without rows"):
        write_groups(tmp_path / "never", 10, 5, 0.0)
    assert not (tmp_path / "never").exists()
