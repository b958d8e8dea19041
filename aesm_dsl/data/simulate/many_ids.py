"""A seeded shop with a known truth and large vocabularies: users, items, sellers and zips with few rows each.

Most of what a response depends on is known only through ids: there are 12,000 users and 6,000 items, and most of them
have a few rows. A row is an item shown to a user in one of three places. The signals, with factors u of the user and v
of the item, each with mean near 0 and variance near 1:

  user, item     a normal(0, 1) number of each user, and of each item
  seller         a normal(0, 1) number of the item's seller; a seller has about eight items
  zip            a normal(0, 1) number of the user's zip code; about eight users live in one
  kind           a normal(0, 1) number of each pair of an age group and a kind of item
  taste          sum_k taste[place][k] u_k v_k / sqrt(LATENT); half of a factor's variance is the zip's or the kind's

  truth_click          = sigmoid(click bias of the place + sum click[place] * signals)
  P(order | click)     = sigmoid(order bias of the place + sum order[place] * signals)
  truth_order          = truth_click * P(order | click)

is_click and is_order are drawn from these; is_order is 0 wherever is_click is 0. All of it is made up.
Axes: R rows, S signals, K latent factors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from aesm_dsl.data.rank_auc import rank_auc
from aesm_dsl.data.simulate.fund_search import World, write_files
from aesm_dsl.data.simulate.fund_world import Array, Whole, zipf
from aesm_dsl.data.simulate.groups import last_rows

USERS, ITEMS, SELLERS, ZIPS, KINDS, LATENT = 12_000, 6_000, 750, 1_500, 40, 6
AGES = ("under_25", "from_25", "from_35", "from_45", "from_55")
SIGNALS = ("user", "item", "seller", "zip", "kind", "taste")


@dataclass(frozen=True, slots=True)
class ShopPlace:
    """Where items are shown, and how its users respond."""

    name: str
    share: float
    """Share of all rows."""
    click_bias: float
    click: tuple[float, ...]
    """Weights of the signals in the log odds of a click."""
    order_bias: float
    order: tuple[float, ...]
    """Weights of the signals in the log odds of an order after a click."""
    taste: tuple[int, ...]
    """Sign of each factor's product."""


PLACES = (
    ShopPlace(
        name="home",
        share=0.60,
        click_bias=-1.2,
        click=(0.6, 0.8, 0.3, 0.2, 0.4, 0.8),
        order_bias=-1.0,
        order=(0.4, 0.3, 0.5, 0.3, 0.2, 0.7),
        taste=(1, 1, 1, 1, 1, 1),
    ),
    ShopPlace(
        name="search",
        share=0.30,
        click_bias=-0.6,
        click=(0.3, 0.4, 0.4, 0.2, 0.2, 0.9),
        order_bias=-0.6,
        order=(0.3, 0.4, 0.6, 0.2, 0.2, 0.6),
        taste=(1, 1, -1, -1, 1, -1),
    ),
    ShopPlace(
        name="cart",
        share=0.10,
        click_bias=-1.5,
        click=(0.6, 0.8, 0.3, 0.2, 0.4, 0.8),
        order_bias=-0.2,
        order=(0.4, 0.3, 0.5, 0.3, 0.2, 0.7),
        taste=(1, 1, 1, 1, -1, 1),
    ),
)


def simulate_shop(rows: int, seed: int) -> pl.DataFrame:
    """Returns `rows` rows with truth_click and truth_order.

    The same seed gives the same rows. Users and items depend on the seed only, not on `rows`.
    """
    known, chance = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    zip_U, age_U = known.integers(0, ZIPS, USERS), known.integers(0, len(AGES), USERS)
    seller_I, kind_I = known.integers(0, SELLERS, ITEMS), known.integers(0, KINDS, ITEMS)
    user_UK = _factors(known, zip_U, ZIPS)
    item_IK = _factors(known, kind_I, KINDS)
    sizes = {"user": USERS, "item": ITEMS, "seller": SELLERS, "zip": ZIPS}
    effect = {name: known.normal(size=size) for name, size in sizes.items()}
    pair_AC = known.normal(size=(len(AGES), KINDS))

    place_R = chance.choice(len(PLACES), rows, p=[place.share for place in PLACES])
    user_R = chance.choice(USERS, rows, p=zipf(USERS, 0.5))
    item_R = chance.choice(ITEMS, rows, p=zipf(ITEMS, 0.7))
    sign_PK = np.array([place.taste for place in PLACES])
    taste_R = (sign_PK[place_R] * user_UK[user_R] * item_IK[item_R]).sum(axis=1) / np.sqrt(LATENT)
    signal_RS = np.column_stack(
        [
            effect["user"][user_R],
            effect["item"][item_R],
            effect["seller"][seller_I[item_R]],
            effect["zip"][zip_U[user_R]],
            pair_AC[age_U[user_R], kind_I[item_R]],
            taste_R,
        ]
    )
    click_R = _response(place_R, signal_RS, [(place.click_bias, place.click) for place in PLACES])
    after_R = _response(place_R, signal_RS, [(place.order_bias, place.order) for place in PLACES])
    is_click_R = chance.random(rows) < click_R
    is_order_R = is_click_R & (chance.random(rows) < after_R)
    return pl.DataFrame(
        {
            "place": np.array([place.name for place in PLACES])[place_R],
            "user_id": user_R,
            "zip": [f"{number:05d}" for number in zip_U[user_R].tolist()],
            "age": np.array(AGES)[age_U[user_R]],
            "item_id": item_R,
            "seller_id": seller_I[item_R],
            "kind": kind_I[item_R],
            "is_click": is_click_R.astype(np.int8),
            "is_order": is_order_R.astype(np.int8),
            "truth_click": click_R,
            "truth_order": click_R * after_R,
        }
    )


def write_shop(folder: Path, rows: int, seed: int, test_share: float = 0.2) -> World:
    """Writes train.parquet, test.parquet (the last `test_share` of the rows) and truth.json.

    Makes the folder if it is missing. Each file appears complete or not at all; the same arguments give identical
    files.

    Raises:
        ValueError: one of the tables would have no rows.
    """
    train, test = last_rows(simulate_shop(rows, seed), test_share)
    best = _bayes_auc(test)
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder / "train.parquet", folder / "test.parquet", folder / "truth.json", best)
    places = [
        {"place": place.name, "share": place.share, "bayes_auc": _bayes_auc(test.filter(place=place.name))}
        for place in PLACES
    ]
    truth = {"world": "many_ids", "rows": rows, "seed": seed, "bayes_auc": best, "places": places}
    write_files(world.truth, truth, {world.test: test, world.train: train})
    return world


def _factors(chance: np.random.Generator, group: Whole, groups: int) -> Array:
    """Factors with variance 1, half of it from the group."""
    shared = chance.normal(size=(groups, LATENT))[group]
    return np.asarray(np.sqrt(0.5) * (shared + chance.normal(size=(len(group), LATENT))))


def _response(place_R: Whole, signal_RS: Array, weights: list[tuple[float, tuple[float, ...]]]) -> Array:
    """The probability of a response in each row, from the bias and the weights of its place."""
    bias_P, weight_PS = np.array([bias for bias, _ in weights]), np.array([weight for _, weight in weights])
    odds_R = bias_P[place_R] + (signal_RS * weight_PS[place_R]).sum(axis=1)
    return np.asarray(1 / (1 + np.exp(-odds_R)))


def _bayes_auc(test: pl.DataFrame) -> dict[str, float | None]:
    return {
        task: rank_auc(test[f"truth_{task}"].to_numpy(), test[f"is_{task}"].to_numpy()) for task in ("click", "order")
    }
