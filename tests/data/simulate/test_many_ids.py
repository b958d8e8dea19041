"""The shop of many ids: the same every time, calibrated, and known only through its ids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aesm_dsl.data.simulate.many_ids import PLACES, SIGNALS, simulate_shop, write_shop
from aesm_dsl.training.metrics.auc import auc


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return simulate_shop(60_000, 3)


def test_traffic(frame: pl.DataFrame) -> None:
    assert sum(place.share for place in PLACES) == pytest.approx(1)
    assert all(len(place.click) == len(place.order) == len(SIGNALS) for place in PLACES)
    for place in PLACES:
        assert frame.filter(place=place.name).height / frame.height == pytest.approx(place.share, abs=0.01)


def test_most_ids_have_few_rows(frame: pl.DataFrame) -> None:
    for column, distinct, median in (("user_id", 11_000, 5), ("item_id", 5_900, 6)):
        counts = frame[column].value_counts()["count"]
        assert len(counts) > distinct
        assert counts.median() <= median


def test_the_truth_is_calibrated_in_every_place(frame: pl.DataFrame) -> None:
    for place in PLACES:
        own = frame.filter(place=place.name)
        for task in ("click", "order"):
            for high in (True, False):
                half = own.filter((pl.col(f"truth_{task}") >= 0.25) == high)
                p = half[f"truth_{task}"].to_numpy()
                assert abs(half[f"is_{task}"].sum() - p.sum()) < 4 * np.sqrt((p * (1 - p)).sum())
    assert frame.filter(is_click=0)["is_order"].sum() == 0


def test_an_id_belongs_to_one_seller_and_one_zip(frame: pl.DataFrame) -> None:
    for owner, *owned in (("user_id", "zip", "age"), ("item_id", "seller_id", "kind")):
        for column in owned:
            assert frame.group_by(owner).agg(pl.col(column).n_unique())[column].max() == 1


def test_same_seed_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_shop(tmp_path / name, 2000, 5, 0.25)
    for name in ("train.parquet", "test.parquet", "truth.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    train, test = (pl.read_parquet(tmp_path / "one" / f"{part}.parquet") for part in ("train", "test"))
    assert (train.height, test.height) == (1500, 500)
    assert pl.concat([train, test]).equals(simulate_shop(2000, 5))
    assert not train.equals(simulate_shop(1500, 6))
    told = json.loads((tmp_path / "one" / "truth.json").read_text(encoding="utf-8"))
    for task in ("click", "order"):
        assert told["bayes_auc"][task] == auc(test[f"truth_{task}"].to_numpy(), test[f"is_{task}"].to_numpy())
    with pytest.raises(ValueError, match="a table without rows"):
        write_shop(tmp_path / "never", 10, 5, 0.0)
    assert not (tmp_path / "never").exists()
