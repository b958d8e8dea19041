"""A seeded, abstract world with a known truth: scenarios in hidden groups, each group with a response of its own.

There are eight scenarios with 40 % down to 2 % of the rows. The seed puts each into one of three groups, so that every
group has a large scenario and a small one. Nothing else in a row says which group it belongs to. The signals of a row,
each with mean 0 and variance 1:

  x1 ... x6               normal(0, 1), the columns of the same names
  f(c1), f(c2)            a normal(0, 1) number for each of the ten values of a category, standardised over them
  x1 x2, x3 x4, x5 x6     products
  x1 f(c1), x2 f(c2)

A group's response is a direction among the 13 signals, drawn by the seed; the directions of two groups are
orthogonal, so one group teaches nothing about another:

  truth = sigmoid(bias of the scenario + STRENGTH * direction of its group * signals),   is_hit is drawn from it

Axes: R rows, S signals, G groups, N scenarios, X numbers, C categories, V values of a category.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from aesm_dsl.data.rank_auc import rank_auc
from aesm_dsl.data.simulate.fund_search import write_files
from aesm_dsl.data.simulate.fund_world import Array, Whole

SHARES = (0.40, 0.20, 0.12, 0.10, 0.08, 0.05, 0.03, 0.02)
"""Share of all rows, by scenario."""
GROUPS = 3
NUMBERS, CATEGORIES, VALUES = 6, 2, 10
SIGNALS = NUMBERS + CATEGORIES + 5
STRENGTH = 2.5
"""Standard deviation of the log odds within a scenario."""

NAMES = tuple(f"s{number}" for number in range(1, len(SHARES) + 1))


@dataclass(frozen=True, slots=True)
class Truth:
    """What the seed decides, for any number of rows."""

    group_N: Whole
    bias_N: Array
    direction_GS: Array
    """Orthonormal directions of the groups."""
    value_CV: Array
    """f: the signal of each value of each category."""

    @property
    def groups(self) -> dict[str, int]:
        """Scenario -> its group."""
        return dict(zip(NAMES, self.group_N.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class GroupWorld:
    """The files that `write_groups` wrote."""

    train: Path
    test: Path
    truth: Path
    bayes_auc: float | None
    """AUC of the true probability on the test rows, which a model can exceed only by chance."""


def draw_truth(seed: int) -> Truth:
    """Draws the truth. From the largest on, every three scenarios have one of each group, in random order."""
    chance = np.random.default_rng([seed, 0])
    group_N = np.concatenate([chance.permutation(GROUPS) for _ in range(-(-len(SHARES) // GROUPS))])[: len(SHARES)]
    direction_SG, _ = np.linalg.qr(chance.normal(size=(SIGNALS, GROUPS)))
    value_CV = chance.normal(size=(CATEGORIES, VALUES))
    value_CV = (value_CV - value_CV.mean(axis=1, keepdims=True)) / value_CV.std(axis=1, keepdims=True)
    return Truth(group_N, chance.uniform(-1.0, 0.0, len(SHARES)), direction_SG.T, value_CV)


def simulate_groups(rows: int, seed: int) -> pl.DataFrame:
    """Returns `rows` rows with scenario, x1 ... x6, c1, c2, is_hit and `truth`, the probability of a hit.

    The same seed gives the same rows.
    """
    known, chance = draw_truth(seed), np.random.default_rng([seed, 1])
    node_R = chance.choice(len(SHARES), rows, p=SHARES)
    x_RX = chance.normal(size=(rows, NUMBERS))
    c_RC = chance.integers(0, VALUES, (rows, CATEGORIES))
    signal_RS = _signals(x_RX, np.take_along_axis(known.value_CV.T, c_RC, axis=0))
    odds_RG = STRENGTH * signal_RS @ known.direction_GS.T
    odds_R = known.bias_N[node_R] + np.take_along_axis(odds_RG, known.group_N[node_R][:, None], axis=1)[:, 0]
    p_R = 1 / (1 + np.exp(-odds_R))
    return pl.DataFrame(
        {
            "scenario": np.array(NAMES)[node_R],
            **{f"x{k + 1}": x_RX[:, k] for k in range(NUMBERS)},
            **{f"c{k + 1}": np.array([f"v{value}" for value in range(VALUES)])[c_RC[:, k]] for k in range(CATEGORIES)},
            "is_hit": (chance.random(rows) < p_R).astype(np.int8),
            "truth": p_R,
        }
    )


def write_groups(folder: Path, rows: int, seed: int, test_share: float = 0.2) -> GroupWorld:
    """Writes train.parquet, test.parquet (the last `test_share` of the rows) and truth.json.

    Makes the folder if it is missing. Each file appears complete or not at all; the same arguments give identical
    files.

    Raises:
        ValueError: one of the tables would have no rows.
    """
    train, test = last_rows(simulate_groups(rows, seed), test_share)
    folder.mkdir(parents=True, exist_ok=True)
    best = rank_auc(test["truth"].to_numpy(), test["is_hit"].to_numpy())
    world = GroupWorld(folder / "train.parquet", folder / "test.parquet", folder / "truth.json", best)
    known = draw_truth(seed)
    scenarios = []
    for name, share, group, bias in zip(NAMES, SHARES, known.group_N.tolist(), known.bias_N.tolist(), strict=True):
        inside = test.filter(scenario=name)
        auc = rank_auc(inside["truth"].to_numpy(), inside["is_hit"].to_numpy())
        scenarios.append({"scenario": name, "share": share, "group": group, "bias": bias, "bayes_auc": auc})
    written = {"world": "groups", "rows": rows, "seed": seed, "bayes_auc": best, "scenarios": scenarios}
    write_files(world.truth, written, {world.test: test, world.train: train})
    return world


def last_rows(frame: pl.DataFrame, share: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns the training rows, and the last `share` of the rows for the test.

    Raises:
        ValueError: one of the tables would have no rows.
    """
    tested = round(share * frame.height)
    if not 0 < tested < frame.height:
        raise ValueError(f"{frame.height} rows with a test share of {share} leave a table without rows")
    return frame.head(frame.height - tested), frame.tail(tested)


def _signals(x_RX: Array, f_RC: Array) -> Array:
    products = [x_RX[:, 0] * x_RX[:, 1], x_RX[:, 2] * x_RX[:, 3], x_RX[:, 4] * x_RX[:, 5]]
    crossed = [x_RX[:, k] * f_RC[:, k] for k in range(CATEGORIES)]
    return np.column_stack([x_RX, f_RC, *products, *crossed])
