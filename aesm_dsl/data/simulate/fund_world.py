"""The fund-search world behind `simulate`: its leaves, hidden groups, users and funds. All of it is made up.

A leaf is an (entry, card) pair. For each task it belongs to a hidden group, and the group alone decides how its users
respond. The groups cut across entries and cards, so neither sharing everything nor sharing by name is right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Whole = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

USERS, FUNDS, LATENT = 20_000, 2_000, 4
DAYS = 30


@dataclass(frozen=True, slots=True)
class Leaf:
    """An entry page with a card on it."""

    entry: str
    card: str
    share: float
    """Share of all rows."""
    match: float
    """Mean of the latent query match: pages differ in what they show, not only in how users respond."""
    click: str
    """Group of the leaf for the click."""
    click_bias: float
    purchase: str
    """Group of the leaf for the purchase after a click."""
    purchase_bias: float


LEAVES = (
    Leaf("search", "fund_product", 0.45, 0.5, "A", -2.2, "P", -2.7),
    Leaf("search", "hot_funds", 0.16, -0.3, "B", -1.7, "Q", -2.2),
    Leaf("search", "article", 0.10, 0.2, "B", -2.0, "P", -2.2),
    Leaf("search", "theme", 0.05, 0.0, "C", -1.8, "Q", -2.1),
    Leaf("wealth", "hot_funds", 0.15, -0.4, "C", -1.8, "P", -2.0),
    Leaf("wealth", "fund_product", 0.07, 0.1, "B", -1.8, "Q", -2.2),
    Leaf("wealth", "theme", 0.02, -0.2, "A", -1.8, "Q", -1.6),
)

SIGNALS = ("match", "position", "yield", "mismatch", "age_type", "fee", "assets_risk", "evening", "taste")
"""The signals in order; each has a mean near 0 and a standard deviation near 1 over all rows."""

CLICK: dict[str, tuple[float, ...]] = {
    #     match position yield mismatch age_type fee assets_risk evening taste
    "A": (0.90, 0.40, -0.30, -0.60, 0.50, -0.20, 0.10, 0.10, 0.70),
    "B": (0.20, 0.70, 0.80, 0.30, -0.50, 0.20, 0.20, -0.20, 0.70),
    "C": (-0.30, 0.30, 0.50, -0.20, 0.50, -0.50, -0.50, 0.40, 0.70),
}
PURCHASE: dict[str, tuple[float, ...]] = {
    "P": (0.50, 0.00, 0.30, -0.80, 0.40, -0.50, 0.30, 0.00, 0.60),
    "Q": (-0.20, 0.10, 0.70, 0.50, -0.50, 0.20, -0.40, 0.20, 0.60),
}
"""CLICK and PURCHASE: group -> weights of the signals in the log odds."""

TASTE: dict[str, tuple[float, ...]] = {
    "A": (1.0, 1.0, 1.0, 1.0),
    "B": (1.0, -1.0, 1.0, -1.0),
    "C": (-1.0, 1.0, 1.0, -1.0),
    "P": (1.0, 1.0, -1.0, -1.0),
    "Q": (-1.0, 1.0, -1.0, 1.0),
}
"""Group -> diagonal of its mixing matrix between user and fund factors."""

# fmt: off
CITIES = (
    "北京", "上海", "广州", "深圳", "杭州", "南京", "苏州", "成都", "重庆", "武汉",
    "西安", "天津", "长沙", "郑州", "青岛", "宁波", "无锡", "合肥", "厦门", "福州",
    "济南", "大连", "沈阳", "哈尔滨", "昆明", "南昌", "贵阳", "南宁", "太原", "兰州",
)
# fmt: on
TYPES = ("money", "bond", "mixed", "index", "stock", "qdii")
TYPE_SHARE = (0.10, 0.25, 0.25, 0.15, 0.18, 0.07)
TYPE_RISK = (1, 2, 3, 4, 4, 5)
TYPE_YIELD = (0.02, 0.04, 0.07, 0.08, 0.10, 0.06)
TYPE_SPREAD = (0.005, 0.02, 0.08, 0.12, 0.18, 0.15)
TYPE_AGE = (1.2, 1.0, 0.2, -0.6, -1.2, -1.4)
"""How much older users prefer the type."""


@dataclass(frozen=True, slots=True)
class SimulatedUsers:
    """U users, those with the most rows first."""

    id: Whole
    age: Whole
    city: Whole
    risk: Whole
    assets: Array
    factor: Array
    """(U, LATENT)"""
    traffic: Array
    """Probability that a row is this user's: rank to the power -0.8, normalised."""


@dataclass(frozen=True, slots=True)
class SimulatedFunds:
    """K funds, the most shown first."""

    id: Whole
    type: Whole
    yield_1y: Array
    fee: Array
    risk: Whole
    factor: Array
    """(K, LATENT)"""
    traffic: Array
    """Probability that a row shows this fund: rank to the power -0.9, normalised."""


def draw_users(chance: np.random.Generator) -> SimulatedUsers:
    """Draws the users. Half of the variance of a user's factors comes from the city, half is personal; it is 1 each."""
    age = np.clip(np.rint(chance.normal(38, 11, USERS)), 18, 80).astype(np.int64)
    city = chance.choice(len(CITIES), USERS, p=zipf(len(CITIES), 0.7))
    risk = np.clip(np.rint(3.6 - 0.025 * age + chance.normal(0, 1, USERS)), 1, 5).astype(np.int64)
    assets = np.exp(10.2 + 0.015 * (age - 38) + chance.normal(0, 1.2, USERS))
    factor = np.sqrt(0.5) * (chance.normal(size=(len(CITIES), LATENT))[city] + chance.normal(size=(USERS, LATENT)))
    # Ids beyond 2^32, as real ones are: stored as float32 they would merge users.
    ids = 88_000_000_000 + chance.permutation(USERS * 7)[:USERS]
    return SimulatedUsers(ids, age, city, risk, assets, factor, zipf(USERS, 0.8))


def draw_funds(chance: np.random.Generator) -> SimulatedFunds:
    """Draws the funds. Half of the variance of a fund's factors comes from its type, half is its own; it is 1 each."""
    kind = chance.choice(len(TYPES), FUNDS, p=TYPE_SHARE)
    yields = np.take(TYPE_YIELD, kind) + np.take(TYPE_SPREAD, kind) * chance.normal(size=FUNDS)
    fee = np.clip(0.002 + 0.003 * np.take(TYPE_RISK, kind) + 0.003 * chance.normal(size=FUNDS), 0.0, 0.03)
    risk = np.clip(np.take(TYPE_RISK, kind) + chance.integers(-1, 2, FUNDS), 1, 5)
    factor = np.sqrt(0.5) * (chance.normal(size=(len(TYPES), LATENT))[kind] + chance.normal(size=(FUNDS, LATENT)))
    ids = chance.permutation(100_000)[:FUNDS]
    return SimulatedFunds(ids, kind, yields.round(4), fee.round(4), risk, factor, zipf(FUNDS, 0.9))


def zipf(count: int, power: float) -> Array:
    """Probabilities of `count` things: rank to the power -`power`, normalised."""
    weight = np.arange(1, count + 1, dtype=np.float64) ** -power
    return np.asarray(weight / weight.sum())
