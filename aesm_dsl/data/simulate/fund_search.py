"""A seeded fund-search world with a known truth: two entry pages, four result cards, click and purchase.

Per row: a leaf by its traffic share, a user and a fund by their traffic (world.py), latent query match
z ~ normal(leaf's mean, 1) shown as match = 1 / (1 + exp(-z)), position = 1 + floor of an exponential of mean
5, at most 20, an hour from a fixed daily curve; rows are spread evenly over the days, in order. Signals, with
factors u (user) and f (fund), and clipped to [-3, 3]:

  match        z                                     position     (1.5 - ln position) / 0.8
  yield        (yield_1y - 0.06) / 0.11              mismatch     (|risk - fund_risk| - 1.3) / 1.0
  age_type     (age - 38) / 11 * TYPE_AGE[type]      fee          (fee - 0.011) / 0.005
  assets_risk  (ln assets - 10.2) / 1.2 * (fund_risk - 3) / 1.3
  evening      1.41 * cos(2 pi (hour - 21) / 24)     taste        sum_k TASTE[group][k] u_k f_k / 2

For a leaf of click group g and purchase group h, with s the row's signals under that group's taste:

  truth_click              = sigmoid(click_bias[leaf]    + sum CLICK[g] * s)
  P(purchase | click)      = sigmoid(purchase_bias[leaf] + sum PURCHASE[h] * s)
  truth_purchase           = truth_click * P(purchase | click)

is_click and is_buy are drawn from these; is_buy is 0 wherever is_click is 0. Afterwards 4 % of the rows lose
their city and 5 % their assets: what users do depends on the value all the same. Axes: R rows, S signals.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from aesm_dsl.data.rank_auc import rank_auc
from aesm_dsl.data.simulate.fund_world import (
    CITIES,
    CLICK,
    DAYS,
    LEAVES,
    PURCHASE,
    SIGNALS,
    TASTE,
    TYPE_AGE,
    TYPES,
    Array,
    SimulatedFunds,
    SimulatedUsers,
    Whole,
    draw_funds,
    draw_users,
)

CITY_MISSING, ASSETS_MISSING = 0.04, 0.05
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 9, 11, 12, 11, 10, 10, 11, 11, 10, 9, 9, 11, 14, 15, 11, 6)
"""Relative traffic by hour."""


@dataclass(frozen=True, slots=True)
class World:
    """What `write_world` wrote."""

    train: Path
    test: Path
    truth: Path
    bayes_auc: dict[str, float | None]
    """Task -> AUC of the true probability on the test rows: what no model can beat but by luck."""


def simulate(rows: int, seed: int) -> pl.DataFrame:
    """`rows` rows in order of `day` (0 to 29), with truth_click and truth_purchase; same seed, same rows.

    Users and funds depend on the seed only, not on `rows`.
    """
    people = draw_users(np.random.default_rng([seed, 0]))
    shelf = draw_funds(np.random.default_rng([seed, 1]))
    chance = np.random.default_rng([seed, 2])
    leaf = chance.choice(len(LEAVES), rows, p=[one.share for one in LEAVES])
    user = chance.choice(len(people.id), rows, p=people.traffic)
    fund = chance.choice(len(shelf.id), rows, p=shelf.traffic)
    z = chance.normal(size=rows) + np.array([one.match for one in LEAVES])[leaf]
    position = np.minimum(1 + np.floor(chance.exponential(5.0, rows)), 20).astype(np.int64)
    hour = chance.choice(24, rows, p=np.array(HOURS) / sum(HOURS))
    plain = _signals(people, shelf, user, fund, z, position, hour)
    product = people.factor[user] * shelf.factor[fund]
    click = _response(leaf, plain, product, CLICK, [(one.click, one.click_bias) for one in LEAVES])
    after = _response(leaf, plain, product, PURCHASE, [(one.purchase, one.purchase_bias) for one in LEAVES])
    is_click = chance.random(rows) < click
    is_buy = is_click & (chance.random(rows) < after)
    city = np.array(CITIES)[people.city[user]]
    no_city, no_assets = chance.random(rows) < CITY_MISSING, chance.random(rows) < ASSETS_MISSING
    nothing = pl.lit(None)
    return pl.DataFrame(
        {
            "entry": np.array([one.entry for one in LEAVES])[leaf],
            "card": np.array([one.card for one in LEAVES])[leaf],
            "user_id": people.id[user],
            "age": people.age[user],
            "city": city,
            "risk": people.risk[user],
            "assets": people.assets[user].round(2),
            "fund_id": [f"{number:06d}" for number in shelf.id[fund].tolist()],
            "fund_type": np.array(TYPES)[shelf.type[fund]],
            "yield_1y": shelf.yield_1y[fund],
            "fee": shelf.fee[fund],
            "fund_risk": shelf.risk[fund],
            "match": (1 / (1 + np.exp(-z))).round(4),
            "position": position,
            "hour": hour,
            "day": np.arange(rows, dtype=np.int64) * DAYS // max(rows, 1),
            "is_click": is_click.astype(np.int8),
            "is_buy": is_buy.astype(np.int8),
            "truth_click": click,
            "truth_purchase": click * after,
        }
    ).with_columns(
        pl.when(pl.lit(pl.Series(no_city))).then(nothing).otherwise(pl.col("city")).alias("city"),
        pl.when(pl.lit(pl.Series(no_assets))).then(nothing).otherwise(pl.col("assets")).alias("assets"),
    )


def write_world(folder: Path, rows: int, seed: int, test_share: float = 0.2) -> World:
    """Writes train.parquet, test.parquet (the last days, about `test_share` of them) and truth.json.

    Makes the folder where it is missing. Each file appears whole or not at all; same arguments, identical
    files. Raises ValueError when either table would have no rows.
    """
    first_test_day = DAYS - round(test_share * DAYS)
    if rows < DAYS or not 0 < first_test_day < DAYS:
        raise ValueError(
            f"{rows} rows with a test share of {test_share} leave a table without rows; "
            f"take at least {DAYS} rows and a share from 0.02 to 0.98"
        )
    frame = simulate(rows, seed)
    train = frame.filter(pl.col("day") < first_test_day)
    test = frame.filter(pl.col("day") >= first_test_day)
    scores = {
        "click": rank_auc(test["truth_click"].to_numpy(), test["is_click"].to_numpy()),
        "purchase": rank_auc(test["truth_purchase"].to_numpy(), test["is_buy"].to_numpy()),
    }
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder / "train.parquet", folder / "test.parquet", folder / "truth.json", scores)
    write_atomically(world.train, lambda path: train.write_parquet(path))
    write_atomically(world.test, lambda path: test.write_parquet(path))
    truth = _truth(rows, seed, first_test_day, test, scores)
    text = json.dumps(truth, ensure_ascii=False, indent=2) + "\n"
    write_atomically(world.truth, lambda path: path.write_text(text, encoding="utf-8"))
    return world


def _signals(
    people: SimulatedUsers, shelf: SimulatedFunds, user: Whole, fund: Whole, z: Array, position: Whole, hour: Whole
) -> Array:
    """The signals s_RS that do not depend on a group: all but the last, taste."""
    age = (people.age[user] - 38) / 11
    fund_risk = shelf.risk[fund]
    columns = [
        z,
        (1.5 - np.log(position)) / 0.8,
        (shelf.yield_1y[fund] - 0.06) / 0.11,
        (np.abs(people.risk[user] - fund_risk) - 1.3) / 1.0,
        age * np.take(TYPE_AGE, shelf.type[fund]),
        (shelf.fee[fund] - 0.011) / 0.005,
        (np.log(people.assets[user]) - 10.2) / 1.2 * (fund_risk - 3) / 1.3,
        1.41 * np.cos(2 * np.pi * (hour - 21) / 24),
    ]
    return np.asarray(np.clip(np.stack(columns, axis=1), -3, 3))


def _response(
    leaf: Whole,
    plain: Array,
    product: Array,
    weights: dict[str, tuple[float, ...]],
    leaves: list[tuple[str, float]],
) -> Array:
    """Each row's probability; `product` is u * f per factor, `leaves` each leaf's group and bias."""
    odds = np.array([bias for _, bias in leaves])[leaf]
    for group, weight in weights.items():
        mine = np.array([name == group for name, _ in leaves])[leaf]
        taste = np.clip(product[mine] @ np.array(TASTE[group]) / 2, -3, 3)
        odds[mine] += plain[mine] @ np.array(weight[:-1]) + weight[-1] * taste
    return np.asarray(1 / (1 + np.exp(-odds)))


def _truth(
    rows: int, seed: int, first_test_day: int, test: pl.DataFrame, scores: dict[str, float | None]
) -> dict[str, Any]:
    leaves = []
    for leaf in LEAVES:
        own = test.filter(entry=leaf.entry, card=leaf.card)
        best = {
            "click": rank_auc(own["truth_click"].to_numpy(), own["is_click"].to_numpy()),
            "purchase": rank_auc(own["truth_purchase"].to_numpy(), own["is_buy"].to_numpy()),
        }
        # A leaf without a positive has no AUC; JSON has no NaN.
        known = {task: value if value == value else None for task, value in best.items()}
        leaves.append({**asdict(leaf), "bayes_auc": known})
    return {
        "rows": rows,
        "seed": seed,
        "first_test_day": first_test_day,
        "bayes_auc": {task: value if value == value else None for task, value in scores.items()},
        "leaves": leaves,
        "signals": SIGNALS,
        "click": CLICK,
        "purchase": PURCHASE,
        "taste": TASTE,
    }


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """The file under a temporary name beside it, then in its place at once."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
