"""Lists, sequences, dates and numbers in the embedding, against loops over rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from aesm_dsl.layers.embedding import Embedding
from aesm_dsl.layers.transformer import TransformerPool
from aesm_dsl.plan.cost import cost, features_cost
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.pools import PoolPlan
from aesm_dsl.plan.tables import embedding_parameters
from tests.layers.plans import feature, make_plan

FUND = feature("fund", 9, 4)


def listed(name: str, pool: str, slots: int, table: str = "") -> FeaturePlan:
    return replace(feature(name, 9, 4), slots=slots, pool=pool, take="first", table=table)


def number(name: str, width: int) -> FeaturePlan:
    return FeaturePlan(name, name, "item", "value", 0, width, slots=0, values=1, scale="none")


DATE = replace(feature("shown", 12, 6), slots=2, kind="date", parts=("hour", "weekday"))
FEATURES = (
    number("price", 3),
    listed("seen", "attention", 3, "fund"),
    FUND,
    feature("city", 5, 2),
    DATE,
    number("fee", 4),
    listed("tags", "max", 2),
    listed("terms", "sum", 2),
    listed("clicked", "mean", 3, "fund"),
)
IDS_BS = torch.tensor(
    [
        [1, 2, 3, 4, 1, 0, 11, 5, 6, 7, 8, 8, 1, 2],
        [3, -1, -1, 0, 0, 3, 4, -1, -1, -1, -1, -1, -1, -1],
        [-1, -1, -1, 8, 4, 5, 6, 2, -1, 1, -1, 4, 3, -1],
    ]
)
VALUE_BV = torch.tensor([[0.5, torch.nan], [torch.nan, -2.0], [0.0, 1.0]])


def twin(embedding: Embedding, row: int) -> Tensor:
    """One row's vectors, feature by feature."""
    table = dict(zip((2, 3, 4), (one.weight for one in embedding.tables), strict=True))
    fund, tags, terms = table[4][:9], table[4][9:18], table[4][18:27]
    numbers, pools = embedding.numbers, list(embedding.pools)
    assert numbers is not None
    ids, (price, fee) = IDS_BS[row].tolist(), VALUE_BV[row]

    def valued(value: Tensor, start: int, stop: int) -> Tensor:
        if value.isnan():
            return numbers.missing[start:stop]
        return value * numbers.slope[start:stop] + numbers.start[start:stop]

    def real(start: int, stop: int, rows: Tensor) -> list[Tensor]:
        return [rows[k] for k in ids[start:stop] if k >= 0]

    seen, clicked = real(0, 3, fund), real(11, 14, fund)
    tagged, written = real(7, 9, tags), real(9, 11, terms)
    pooled = [pool.empty for pool in pools]
    if seen:
        asked = fund[ids[3]] @ pools[0].turn
        scores = torch.stack([one @ asked / 2 + pools[0].age[k] for k, one in enumerate(seen)])
        pooled[0] = sum(weight * one for weight, one in zip(scores.softmax(0), seen, strict=True))
    if tagged:
        pooled[1] = torch.stack(tagged).max(0).values
    if written:
        pooled[2] = sum(written)
    if clicked:
        pooled[3] = sum(clicked) / len(clicked)
    dates = [table[3][k] for k in ids[5:7]]
    return torch.cat(
        [valued(price, 0, 3), pooled[0], fund[ids[3]], table[2][ids[4]], *dates, valued(fee, 3, 7), *pooled[1:]]
    )


def stirred() -> Embedding:
    torch.manual_seed(0)
    embedding = Embedding(FEATURES)
    for one in embedding.parameters():
        one.data.normal_()
    return embedding


def test_every_feature_is_what_a_loop_makes_of_it() -> None:
    embedding = stirred()
    x_BD = embedding(IDS_BS, VALUE_BV)
    torch.testing.assert_close(x_BD, torch.stack([twin(embedding, row) for row in range(3)]))
    assert x_BD.shape[1] == sum(one.width for one in FEATURES)


def test_pads_teach_nothing_and_no_gradient_is_lost() -> None:
    embedding = stirred()
    embedding(IDS_BS, VALUE_BV).sum().backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in embedding.parameters())
    moved = embedding.tables[2].weight.grad.abs().sum(1) > 0
    # Row 0 of the lists' own tables is what pads look up: it moves only where a missing fund is looked up.
    assert moved[0]
    assert not moved[9]
    assert not moved[18]


def test_sparse_gradients_are_the_dense_ones() -> None:
    dense, sparse = stirred(), Embedding(FEATURES, frozenset({2, 3, 4}))
    sparse.load_state_dict(dense.state_dict())
    for one in (dense, sparse):
        one(IDS_BS, VALUE_BV).square().sum().backward()
    for own, other in zip(dense.tables, sparse.tables, strict=True):
        torch.testing.assert_close(other.weight.grad.to_dense(), own.weight.grad)


def test_the_parameters_are_those_of_the_plan() -> None:
    plan = replace(make_plan(), features=FEATURES)
    assert embedding_parameters(plan) + cost(plan).features.parameters == sum(
        one.numel() for one in Embedding(FEATURES).parameters()
    )


def test_what_the_kinds_cost_beside_their_tables() -> None:
    """Width 4: a mean of three slots; attention over three, which turns its query; vectors of width 6 turned to 4."""
    given = FeaturePlan("text", "text", "item", "vectors", 9, 4, given=6, file="v.npy")
    for feature_, parameters, flops in (
        (FUND, 0, 0),
        (number("price", 4), 3 * 4, 2 * 4),
        (listed("tags", "mean", 3), 4, 2 * 3 * 4),
        (listed("seen", "attention", 3, "fund"), 4 + 4 * 4 + 3, 2 * 4 * 4 + 2 * 2 * 3 * 4),
        (given, 2 * 4 + 6 * 4, 2 * 6 * 4),
        (replace(given, name="seen", table="text", pool="sum", slots=2), 4, 2 * 2 * 4 + 2 * 2 * 6 * 4),
    ):
        found = features_cost((feature_,))
        assert (found.parameters, found.dense, found.selected) == (parameters, flops, flops), feature_.name
        assert features_cost((feature_,), copies=3).parameters == 3 * parameters


def test_an_id_outside_is_refused_by_name() -> None:
    for place, name in ((0, "seen"), (13, "clicked"), (6, "shown")):
        wrong_BS = IDS_BS.clone()
        wrong_BS[0, place] = 12
        with pytest.raises(ValueError, match=f"feature `{name}`: id 12"):
            Embedding(FEATURES)(wrong_BS, VALUE_BV)
    wrong_BS = IDS_BS.clone()
    wrong_BS[0, 3] = -1
    with pytest.raises(ValueError, match="feature `fund`: id -1, expected 0 to 8"):
        Embedding(FEATURES)(wrong_BS, VALUE_BV)


def test_a_graph_has_them_all() -> None:
    embedding = stirred().eval()
    rows = {0: torch.export.Dim("rows", min=1)}
    graph = torch.export.export(embedding, (IDS_BS, VALUE_BV), dynamic_shapes=(rows, rows)).module()
    torch.testing.assert_close(graph(IDS_BS[:2], VALUE_BV[:2]), embedding(IDS_BS[:2], VALUE_BV[:2]))


def test_low_precision_runs() -> None:
    embedding = stirred()
    with torch.autocast("cpu", torch.bfloat16):
        x_BD = embedding(IDS_BS, VALUE_BV)
    torch.testing.assert_close(x_BD.float(), embedding(IDS_BS, VALUE_BV), atol=0.1, rtol=0.1)


@pytest.mark.parametrize(("table", "width"), [("fund", 8), ("", 3)])
def test_a_transformer_is_what_its_equations_say(table: str, width: int) -> None:
    """One row, one head and one place at a time; a candidate stands first, if the table is a feature's."""
    torch.manual_seed(0)
    pool = TransformerPool(PoolPlan((replace(listed("seen", "transformer", 3, table), width=width),)), 1.0).double()
    for one in pool.parameters():
        one.data.normal_()
    vector_BSW, query_BW = torch.randn(4, 3, width).double(), torch.randn(4, width).double() if table else None
    real_BS = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 0]]).bool()
    got_BW = pool(vector_BSW, real_BS, query_BW)
    heads, size = pool.heads, width // pool.heads
    assert heads == (2 if width == 8 else 1)
    for row in range(4):
        known = [vector + pool.place_PW[k + bool(table)] for k, vector in enumerate(vector_BSW[row]) if real_BS[row, k]]
        if not known:
            torch.testing.assert_close(got_BW[row], pool.empty)
            continue
        h = [*([query_BW[row] + pool.place_PW[0]] if query_BW is not None else []), *known]
        parts = [(pool.mix.weight @ pool.norm(one) + pool.mix.bias).split(width) for one in h]
        after = []
        for own, (query, _, _) in zip(h, parts, strict=True):
            told = []
            for head in range(heads):
                cut = slice(head * size, (head + 1) * size)
                weight = torch.stack([query[cut] @ key[cut] / size**0.5 for _, key, _ in parts]).softmax(0)
                told.append(sum(w * value[cut] for w, (_, _, value) in zip(weight, parts, strict=True)))
            own = own + pool.mixed.weight @ torch.cat(told) + pool.mixed.bias
            hidden = (pool.up.weight @ pool.second_norm(own) + pool.up.bias).clamp(min=0)
            after.append(own + pool.down.weight @ hidden + pool.down.bias)
        torch.testing.assert_close(got_BW[row], sum(after) / len(after))
    got_BW.sum().backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in pool.parameters())


@pytest.mark.parametrize("table", ["fund", ""])
def test_what_a_transformer_costs(table: str) -> None:
    """The four maps of attention and the two of the layer on each place, and each place with each."""
    sequence, places = listed("seen", "transformer", 3, table), 3 + bool(table)
    found = features_cost((sequence,))
    assert found.parameters == sum(one.numel() for one in TransformerPool(PoolPlan((sequence,)), 1.0).parameters())
    assert found.selected == places * 2 * (4 * 4 * 4 + 2 * 4 * 16) + 2 * (2 * places * places * 4) + 2 * places * 4
    x_BD = Embedding((FUND, sequence))(IDS_BS[:, [3, 0, 1, 2]], VALUE_BV[:, :0])
    assert x_BD.shape == (3, 8)


def test_a_graph_has_a_transformer() -> None:
    pool = TransformerPool(PoolPlan((listed("seen", "transformer", 3, "fund"),)), 1.0).eval()
    given = (torch.randn(4, 3, 4), torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 0]]).bool(), torch.randn(4, 4))
    rows = {0: torch.export.Dim("rows", min=1)}
    graph = torch.export.export(pool, given, dynamic_shapes=(rows, rows, rows)).module()
    torch.testing.assert_close(graph(*(one[1:3] for one in given)), pool(*(one[1:3] for one in given)))
