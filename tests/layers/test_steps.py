"""Sequences whose values at one place make a step: their pool, against loops over rows and steps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from aesm_dsl.layers.embedding import Embedding
from aesm_dsl.layers.transformer import TransformerPool
from aesm_dsl.plan.cost import features_cost
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.pools import pools_of
from tests.layers.plans import feature

ITEM, KIND = feature("item", 9, 4), feature("kind", 5, 2)


def features_of(pool: str) -> tuple[FeaturePlan, ...]:
    """Items with their kinds, how it was and when; another feature stands between them, and the items come late."""

    def listed(plan: FeaturePlan, name: str, table: str = "", steps: str = "seen") -> FeaturePlan:
        return replace(plan, name=name, slots=3, pool=pool, take="last", table=table, steps=steps)

    return (
        listed(feature("how", 4, 3), "how"),
        ITEM,
        listed(KIND, "seen_kind", "kind"),
        feature("city", 6, 4),
        listed(ITEM, "seen", "item", ""),
        listed(feature("at", 7, 2), "at"),
        KIND,
    )


IDS_BS = torch.tensor(
    [
        # how, item, kinds, city, items, at, kind
        [1, 2, 0, 5, 1, 4, 0, 3, 8, 7, 0, 1, 2, 6, 3],
        [3, -1, -1, 0, 2, -1, -1, 5, 1, -1, -1, 0, -1, -1, 0],
        [-1, -1, -1, 8, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, 4],
    ]
)
NO_VALUES = torch.zeros(3, 0)


def stirred(features: tuple[FeaturePlan, ...]) -> Embedding:
    torch.manual_seed(0)
    embedding = Embedding(features).double()
    for one in embedding.parameters():
        one.data.normal_()
    return embedding


def twin(embedding: Embedding, kind: str, ids: list[int]) -> Tensor:
    """One row's vectors, in the plan's order."""
    twos, threes, fours = (one.weight for one in embedding.tables)
    at, kinds, how, item, city = twos[:7], twos[7:12], threes, fours[:9], fours[9:]
    pool = embedding.pools[0]
    steps = [
        torch.cat([how[ids[k]], kinds[ids[4 + k]], item[ids[8 + k]], at[ids[11 + k]]]) for k in range(3) if ids[k] >= 0
    ]
    asked, learnt = torch.cat([kinds[ids[14]], item[ids[3]]]), getattr(pool, "candidate", None)
    if not steps:
        pooled = pool.empty
    elif kind == "mean":
        pooled = torch.stack(steps).mean(0)
    elif kind == "max":
        pooled = torch.stack(steps).max(0).values
    elif kind == "attention":
        scores = [step @ (asked @ pool.turn) / 11**0.5 + pool.age[k] for k, step in enumerate(steps)]
        pooled = sum(a * step for a, step in zip(torch.stack(scores).softmax(0), steps, strict=True))
    else:
        row = torch.cat([learnt[:3], asked, learnt[3:]])
        alone = torch.stack([row, *steps]).unsqueeze(0)
        places = [0, *range(1, len(steps) + 1)]
        h = alone[0] + pool.place_PW[places]
        query, key, value = (pool.mix(pool.norm(h))).chunk(3, dim=1)
        h = h + pool.mixed((query @ key.T / 11**0.5).softmax(1) @ value)
        h = h + pool.down(pool.up(pool.second_norm(h)).relu())
        pooled = h.mean(0)
    how_, kind_, item_, at_ = pooled.split([3, 2, 4, 2])
    return torch.cat([how_, item[ids[3]], kind_, city[ids[7]], item_, at_, kinds[ids[14]]])


@pytest.mark.parametrize("pool", ["mean", "max", "attention", "transformer"])
def test_steps_are_what_a_loop_makes_of_them(pool: str) -> None:
    features = features_of(pool)
    embedding = stirred(features)
    x_BD = embedding(IDS_BS, NO_VALUES)
    torch.testing.assert_close(x_BD, torch.stack([twin(embedding, pool, row) for row in IDS_BS.tolist()]))
    x_BD.square().sum().backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in embedding.parameters())
    tables = sum(one.weight.numel() for one in embedding.tables)
    assert features_cost(features).parameters == sum(one.numel() for one in embedding.parameters()) - tables


@pytest.mark.parametrize("pool", ["sum", "attention", "transformer"])
def test_what_pads_hold_does_not_matter(pool: str) -> None:
    """More slots, and other rows beside it: to one step it is the same."""
    features = features_of(pool)
    embedding = stirred(features)
    expected = embedding(IDS_BS, NO_VALUES)[1]
    alone = embedding(IDS_BS[1:2], NO_VALUES[:1])[0]
    torch.testing.assert_close(alone, expected)
    vector_BSW, real_BS = torch.randn(1, 3, 11).double(), torch.tensor([[True, False, False]])
    query = torch.randn(1, 6).double() if pool != "sum" else None
    before = embedding.pools[0](vector_BSW, real_BS, query)
    vector_BSW[:, 1:] = 1e6
    assert torch.equal(embedding.pools[0](vector_BSW, real_BS, query), before)


def test_a_value_without_a_step_of_its_own_counts_as_missing() -> None:
    """A server may pad a sequence where another has a value."""
    embedding = stirred(features_of("attention"))
    padded_BS, missing_BS = IDS_BS.clone(), IDS_BS.clone()
    padded_BS[0, 9], missing_BS[0, 9] = -1, 0
    assert torch.equal(embedding(padded_BS, NO_VALUES), embedding(missing_BS, NO_VALUES))


def test_gradients_of_a_transformer_with_a_candidate_learnt_in_part() -> None:
    torch.manual_seed(0)
    (plan,) = pools_of(features_of("transformer"))
    pool = TransformerPool(plan, 1.0).double()
    for one in pool.parameters():
        one.data.normal_(std=0.5)
    real_BS = torch.tensor([[True, True, False], [False, False, False]])
    given = (torch.randn(2, 3, 11).double().requires_grad_(), real_BS, torch.randn(2, 6).double().requires_grad_())
    assert torch.autograd.gradcheck(pool, given, fast_mode=True)


def test_a_graph_has_steps() -> None:
    embedding = stirred(features_of("transformer")).eval()
    rows = {0: torch.export.Dim("rows", min=1)}
    graph = torch.export.export(embedding, (IDS_BS, NO_VALUES), dynamic_shapes=(rows, rows)).module()
    torch.testing.assert_close(graph(IDS_BS[:2], NO_VALUES[:2]), embedding(IDS_BS[:2], NO_VALUES[:2]))
