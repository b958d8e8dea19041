"""Numbers that become vectors, with and without an encoding, against the paper's equations for one number at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from aesm_dsl.data.encoding.feature_encoders import PiecewiseEncoder
from aesm_dsl.data.encoding.learners import NumberHistogram, NumberSample
from aesm_dsl.layers.embedding import Embedding
from aesm_dsl.plan.cost import features_cost
from aesm_dsl.plan.features import FeaturePlan, NumberEncoding
from aesm_dsl.plan.plan import Plan
from tests.layers.plans import feature, make_plan

EDGES = (-3.0, 0.0, 1.0, 10.0)


def number(name: str, width: int, encoding: NumberEncoding | None = None) -> FeaturePlan:
    return FeaturePlan(name, name, "item", "value", 0, width, slots=0, values=1, scale="none", encoding=encoding)


FEATURES = (
    number("bins", 3, NumberEncoding("piecewise", 3)),
    number("plain", 2),
    feature("city", 5, 2),
    number("waves", 4, NumberEncoding("periodic", 2, 0.5)),
    number("again", 3),
)
NUMBERS = [-7.0, -3.0, -1.5, 0.0, 0.25, 1.0, 7.0, 10.0, 1e30, math.nan, math.inf]


def twin(embedding: Embedding, row: list[float]) -> list[Tensor]:
    """The vectors of one row: of every number the paper's code, mapped."""
    numbers = embedding.numbers
    bins, waves = numbers.encoded
    x, plain, wave, again = row
    code = []
    for low, high in pairwise(EDGES):  # numbers outside of all bins count as the nearest edge
        code.append(1.0 if x >= high else 0.0 if x < low else (x - low) / (high - low))
    piecewise = bins.linear.weight @ torch.tensor(code) + bins.linear.bias
    angles = [2 * math.pi * c * wave for c in waves.frequency_K.tolist()]
    terms = torch.tensor([*map(math.sin, angles), *map(math.cos, angles)])
    periodic = (waves.linear.weight @ terms + waves.linear.bias).clamp(min=0)
    return [
        piecewise if math.isfinite(x) else bins.missing,
        plain * numbers.slope[:2] + numbers.start[:2],
        embedding.tables[0].weight[1],
        periodic if not math.isnan(wave) else waves.missing,
        again * numbers.slope[2:] + numbers.start[2:],
    ]


def test_numbers_are_what_the_paper_makes_of_them() -> None:
    torch.manual_seed(0)
    embedding = Embedding(FEATURES)
    for one in embedding.parameters():
        one.data.normal_()
    places = PiecewiseEncoder("bins", "bins", EDGES).values(pl.Series(NUMBERS))
    others_BV = torch.randn(len(NUMBERS), 3)
    others_BV[3, 1] = torch.nan
    value_BV = torch.cat([torch.tensor(places).unsqueeze(1), others_BV], dim=1)
    x_BD = embedding(torch.ones(len(NUMBERS), 1, dtype=torch.int64), value_BV)
    for row, (x, others) in enumerate(zip(NUMBERS, others_BV.tolist(), strict=True)):
        torch.testing.assert_close(x_BD[row], torch.cat(twin(embedding, [x, *others])))
    x_BD.sum().backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in embedding.parameters())


def test_what_an_encoding_costs() -> None:
    """Width 3 of 3 bins; width 4 of 2 frequencies, each with a sine and a cosine."""
    assert features_cost(FEATURES[:1]).parameters == 3 * 3 + 3 + 3
    assert features_cost(FEATURES[:1]).selected == 2 * 3 * 3
    assert features_cost(FEATURES[3:4]).parameters == 2 + 4 * 4 + 4 + 4
    assert features_cost(FEATURES[3:4]).selected == 2 + 2 * 4 * 4
    parameters = sum(one.numel() for one in Embedding(FEATURES).parameters())
    assert features_cost(FEATURES).parameters == parameters - 5 * 2  # the table of cities


def test_a_plan_writes_the_encodings_it_has() -> None:
    plan = replace(make_plan(repeat=0), features=FEATURES)
    assert plan.to_json().count('"encoding"') == 2
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    ("values", "bins", "edges"),
    [
        (list(range(101)), 4, (0, 25, 50, 75, 100)),
        ([5.0] * 90 + [1.0, 9.0], 4, (1, 5, 9)),
        ([2.0, 4.0], 1, (2, 4)),
        ([7.0, 7.0], 8, (7, 14)),
        ([1.5e308], 2, (0.75e308, 1.5e308)),
        ([math.nan, math.inf], 3, (0, 1)),
    ],
)
def test_edges_are_quantiles_from_the_least_to_the_greatest(
    values: list[float], bins: int, edges: tuple[float, ...]
) -> None:
    sample, histogram = NumberSample(), NumberHistogram()
    sample.learn(pl.Series(values, dtype=pl.Float64), np.arange(len(values), dtype=np.uint64))
    sample.settle()
    assert sample.edges(bins) == edges
    counted = pl.DataFrame({"value": pl.Series(values, dtype=pl.Float64)}).group_by("value").len("count")
    histogram.add(counted)
    histogram.settle()
    assert histogram.edges(bins) == edges
