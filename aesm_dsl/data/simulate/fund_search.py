"""A seeded fund-search world with a known truth: two entry pages, four result cards, click and purchase.

Each row has a leaf drawn by its traffic share, a user and a fund drawn by their traffic (`fund_world`), a latent query
match z ~ normal(leaf's mean, 1), shown as match = 1 / (1 + exp(-z)), a position, and an hour from a fixed daily curve.
Rows are spread evenly over the days, in order. In the test days funds are shown in random order, as an experiment would
show them: position = 1 + floor of an exponential with mean 5, at most 20. Before them a ranker decides, which likes
what matches and what is popular, whatever it is worth: the exponential's mean is 5 exp(0.1 - r) with r = 0.7 (z - the
leaf's mean) + 0.7 (how popular the fund is, with a mean of 0 and a deviation of 1). So clicks of the training days say
where a fund was shown as much as what it is worth. The signals, with factors u of the user and f of the fund, are
clipped to [-3, 3]:

  match        z                                     position     (1.5 - ln position) / 0.8
  yield        (yield_1y - 0.06) / 0.11              mismatch     (|risk - fund_risk| - 1.3) / 1.0
  age_type     (age - 38) / 11 * TYPE_AGE[type]      fee          (fee - 0.011) / 0.005
  assets_risk  (ln assets - 10.2) / 1.2 * (fund_risk - 3) / 1.3
  evening      1.41 * cos(2 pi (hour - 21) / 24)     taste        sum_k TASTE[group][k] u_k f_k / 2

For a leaf of click group g and purchase group h, with s the row's signals under the taste of that group:

  truth_click              = sigmoid(click_bias[leaf]    + sum CLICK[g] * s)
  P(purchase | click)      = sigmoid(purchase_bias[leaf] + sum PURCHASE[h] * s)
  truth_purchase           = truth_click * P(purchase | click)
  truth_click_anywhere, truth_purchase_anywhere: their means over the positions of a random order

is_click and is_buy are drawn from these; is_buy is 0 wherever is_click is 0. Afterwards 4 % of the rows lose their city
and 5 % their assets; what users do still depends on the value. Axes: R rows, S signals, K latent factors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
from aesm_dsl.files.whole import replaced, write_text

CITY_MISSING, ASSETS_MISSING = 0.04, 0.05
POSITION, LAST_POSITION = 5.0, 20
LIKES = 0.7
"""Weight of match and of popularity in the ranker of the training days."""
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 9, 11, 12, 11, 10, 10, 11, 11, 10, 9, 9, 11, 14, 15, 11, 6)
"""Relative traffic of each hour."""


@dataclass(frozen=True, slots=True)
class World:
    """The files of a world with tasks, whose truth is known."""

    train: Path
    test: Path
    truth: Path
    bayes_auc: dict[str, float | None]
    """Task -> AUC on the test rows of the true probability without the position: a model exceeds it only by chance."""


class Impressions(NamedTuple):
    """What is drawn for each row before the user responds."""

    user_R: Whole
    fund_R: Whole
    z_R: Array
    """Latent query match."""
    position_R: Whole
    hour_R: Whole


def simulate(rows: int, seed: int, random_from: int = 24) -> pl.DataFrame:
    """Returns `rows` rows in order of `day` (0 to 29), with the true probabilities.

    The same seed gives the same rows. Users and funds depend on the seed only, not on `rows`. From the day
    `random_from` on, funds are shown in random order.
    """
    users = draw_users(np.random.default_rng([seed, 0]))
    funds = draw_funds(np.random.default_rng([seed, 1]))
    chance = np.random.default_rng([seed, 2])
    # The order of these draws decides the table of a seed.
    leaf_R = chance.choice(len(LEAVES), rows, p=[leaf.share for leaf in LEAVES])
    user_R = chance.choice(len(users.id), rows, p=users.traffic)
    fund_R = chance.choice(len(funds.id), rows, p=funds.traffic)
    z_R = chance.normal(size=rows) + _match_means()[leaf_R]
    day_R = np.arange(rows, dtype=np.int64) * DAYS // max(rows, 1)
    liked_R = np.where(day_R < random_from, _ranker(z_R - _match_means()[leaf_R], fund_R, funds), 0.0)
    position_R = _position(chance.exponential(POSITION, rows) * np.exp(-liked_R))
    hour_R = chance.choice(24, rows, p=np.array(HOURS) / sum(HOURS))
    signal_RS = _signals(users, funds, Impressions(user_R, fund_R, z_R, position_R, hour_R))
    product_RK = users.factor[user_R] * funds.factor[fund_R]
    clicks = [(leaf.click, leaf.click_bias) for leaf in LEAVES]
    purchases = [(leaf.purchase, leaf.purchase_bias) for leaf in LEAVES]
    click_odds_R = _log_odds(leaf_R, signal_RS, product_RK, CLICK, clicks)
    after_odds_R = _log_odds(leaf_R, signal_RS, product_RK, PURCHASE, purchases)
    click_R, after_R = _sigmoid(click_odds_R), _sigmoid(after_odds_R)
    anywhere_R, bought_R = np.zeros(rows), np.zeros(rows)
    for position, share in enumerate(_position_shares(), start=1):
        further_R = _position_signal(np.array([position])) - _position_signal(position_R)
        click_there_R = _sigmoid(click_odds_R + further_R * _position_weight(CLICK, clicks)[leaf_R])
        after_there_R = _sigmoid(after_odds_R + further_R * _position_weight(PURCHASE, purchases)[leaf_R])
        anywhere_R, bought_R = anywhere_R + share * click_there_R, bought_R + share * click_there_R * after_there_R
    is_click_R = chance.random(rows) < click_R
    is_buy_R = is_click_R & (chance.random(rows) < after_R)
    city_R = np.array(CITIES)[users.city[user_R]]
    no_city_R, no_assets_R = chance.random(rows) < CITY_MISSING, chance.random(rows) < ASSETS_MISSING
    null = pl.lit(None)
    return pl.DataFrame(
        {
            "entry": np.array([leaf.entry for leaf in LEAVES])[leaf_R],
            "card": np.array([leaf.card for leaf in LEAVES])[leaf_R],
            "user_id": users.id[user_R],
            "age": users.age[user_R],
            "city": city_R,
            "risk": users.risk[user_R],
            "assets": users.assets[user_R].round(2),
            "fund_id": [f"{number:06d}" for number in funds.id[fund_R].tolist()],
            "fund_type": np.array(TYPES)[funds.type[fund_R]],
            "yield_1y": funds.yield_1y[fund_R],
            "fee": funds.fee[fund_R],
            "fund_risk": funds.risk[fund_R],
            "match": (1 / (1 + np.exp(-z_R))).round(4),
            "position": position_R,
            "hour": hour_R,
            "day": day_R,
            "is_click": is_click_R.astype(np.int8),
            "is_buy": is_buy_R.astype(np.int8),
            "truth_click": click_R,
            "truth_purchase": click_R * after_R,
            "truth_click_anywhere": anywhere_R,
            "truth_purchase_anywhere": bought_R,
        }
    ).with_columns(
        pl.when(pl.lit(pl.Series(no_city_R))).then(null).otherwise(pl.col("city")).alias("city"),
        pl.when(pl.lit(pl.Series(no_assets_R))).then(null).otherwise(pl.col("assets")).alias("assets"),
    )


def write_world(folder: Path, rows: int, seed: int, test_share: float = 0.2) -> World:
    """Writes train.parquet, test.parquet (the last days, about `test_share` of the 30) and truth.json.

    Makes the folder if it is missing. Each file appears complete or not at all; the same arguments give identical
    files.

    Raises:
        ValueError: one of the tables would have no rows.
    """
    first_test_day = DAYS - round(test_share * DAYS)
    if rows < DAYS or not 0 < first_test_day < DAYS:
        raise ValueError(
            f"{rows} rows with a test share of {test_share} leave a table without rows; "
            f"take at least {DAYS} rows and a share from 0.02 to 0.98"
        )
    frame = simulate(rows, seed, first_test_day)
    train = frame.filter(pl.col("day") < first_test_day)
    test = frame.filter(pl.col("day") >= first_test_day)
    scores = _bayes_auc(test)
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder / "train.parquet", folder / "test.parquet", folder / "truth.json", scores)
    write_files(world.truth, _truth(rows, seed, first_test_day, test, scores), {world.test: test, world.train: train})
    return world


def _match_means() -> Array:
    return np.array([leaf.match for leaf in LEAVES])


def _ranker(match_R: Array, fund_R: Whole, funds: SimulatedFunds) -> Array:
    """How much the ranker of the training days likes each row, r - 0.1; `match_R` counts from the leaf's mean.

    With the 0.1, as large a share of the rows has clicks as in a random order.
    """
    popular = np.log(funds.traffic)
    mean = (funds.traffic * popular).sum()
    deviation = np.sqrt((funds.traffic * (popular - mean) ** 2).sum())
    return np.asarray(LIKES * match_R + LIKES * (popular[fund_R] - mean) / deviation - 0.1)


def _position(depth_R: Array) -> Whole:
    return np.asarray(np.minimum(1 + np.floor(depth_R), LAST_POSITION).astype(np.int64))


def _position_shares() -> Array:
    """The share of each position, from 1, in a random order."""
    beyond = np.exp(-np.arange(LAST_POSITION) / POSITION)
    return np.append(beyond[:-1] - beyond[1:], beyond[-1])


def _position_signal(position: Whole) -> Array:
    return np.asarray(np.clip((1.5 - np.log(position)) / 0.8, -3, 3))


def _position_weight(weights: dict[str, tuple[float, ...]], leaves: list[tuple[str, float]]) -> Array:
    """The weight of the position in the log odds of each leaf."""
    return np.array([weights[group][SIGNALS.index("position")] for group, _ in leaves])


def _signals(users: SimulatedUsers, funds: SimulatedFunds, rows: Impressions) -> Array:
    """The signals s_RS that do not depend on a group: all but the last, taste."""
    age_R = (users.age[rows.user_R] - 38) / 11
    fund_risk_R = funds.risk[rows.fund_R]
    columns = [
        rows.z_R,
        _position_signal(rows.position_R),
        (funds.yield_1y[rows.fund_R] - 0.06) / 0.11,
        (np.abs(users.risk[rows.user_R] - fund_risk_R) - 1.3) / 1.0,
        age_R * np.take(TYPE_AGE, funds.type[rows.fund_R]),
        (funds.fee[rows.fund_R] - 0.011) / 0.005,
        (np.log(users.assets[rows.user_R]) - 10.2) / 1.2 * (fund_risk_R - 3) / 1.3,
        1.41 * np.cos(2 * np.pi * (rows.hour_R - 21) / 24),
    ]
    return np.asarray(np.clip(np.stack(columns, axis=1), -3, 3))


def _log_odds(
    leaf_R: Whole,
    signal_RS: Array,
    product_RK: Array,
    weights: dict[str, tuple[float, ...]],
    leaves: list[tuple[str, float]],
) -> Array:
    """The log odds of a response in each row.

    Args:
        leaf_R: index of the leaf.
        signal_RS: all signals but taste.
        product_RK: u * f, factor by factor.
        weights: group -> weights of all signals, CLICK or PURCHASE.
        leaves: group and bias of every leaf.
    """
    odds_R = np.array([bias for _, bias in leaves])[leaf_R]
    for group, weight in weights.items():
        inside_R = np.array([name == group for name, _ in leaves])[leaf_R]
        taste = np.clip(product_RK[inside_R] @ np.array(TASTE[group]) / 2, -3, 3)
        odds_R[inside_R] += signal_RS[inside_R] @ np.array(weight[:-1]) + weight[-1] * taste
    return odds_R


def _sigmoid(odds_R: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-odds_R)))


def _bayes_auc(test: pl.DataFrame) -> dict[str, float | None]:
    """Task -> AUC of the true probability without the position, which is not known when a model is asked."""
    return {
        "click": rank_auc(test["truth_click_anywhere"].to_numpy(), test["is_click"].to_numpy()),
        "purchase": rank_auc(test["truth_purchase_anywhere"].to_numpy(), test["is_buy"].to_numpy()),
    }


def _truth(
    rows: int, seed: int, first_test_day: int, test: pl.DataFrame, scores: dict[str, float | None]
) -> dict[str, Any]:
    """The content of truth.json. A leaf without positives, or without negatives, has the AUC None."""
    leaves = []
    for leaf in LEAVES:
        inside = test.filter(entry=leaf.entry, card=leaf.card)
        leaves.append({**asdict(leaf), "bayes_auc": _bayes_auc(inside)})
    return {
        "world": "fund_search",
        "rows": rows,
        "seed": seed,
        "first_test_day": first_test_day,
        "bayes_auc": scores,
        "leaves": leaves,
        "signals": SIGNALS,
        "click": CLICK,
        "purchase": PURCHASE,
        "taste": TASTE,
    }


def write_files(truth_file: Path, truth: Mapping[str, Any], tables: Mapping[Path, pl.DataFrame]) -> None:
    """Writes the truth of a world, then its tables: tables without a truth beside them are not a world's.

    Raises:
        OSError: a file cannot be written; it is not there then, or still the older one.
    """
    write_text(truth_file, json.dumps(truth, ensure_ascii=False, indent=2) + "\n")
    for path, table in tables.items():
        with replaced(path) as new:
            table.write_parquet(new)
