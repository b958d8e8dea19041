from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from aesm_dsl.layers.embedding import START_STD, Context, Embedding
from aesm_dsl.plan.features import FeaturePlan
from tests.layers.plans import FEATURES, feature, make_batch, make_plan

NO_VALUES = torch.empty(0, 0)

ORDERS = [
    FEATURES,
    tuple(sorted(FEATURES, key=lambda one: one.width)),
    tuple(feature(name, 4, 3) for name in "abc"),
    (feature("alone", 2, 1),),
]


def single_tables(embedding: Embedding, features: tuple[FeaturePlan, ...]) -> list[Tensor]:
    """Each feature's own rows, cut out of the table of its width, where they lie in the plan's order."""
    by_width = {table.embedding_dim: table.weight for table in embedding.tables}
    start = dict.fromkeys(by_width, 0)
    tables = []
    for one in features:
        tables.append(by_width[one.width][start[one.width] : start[one.width] + one.rows])
        start[one.width] += one.rows
    assert all(start[width] == len(table) for width, table in by_width.items())
    return tables


@pytest.mark.parametrize("features", ORDERS, ids=lambda order: "-".join(one.name for one in order))
def test_equals_single_tables_concatenated_in_the_order_of_the_plan(
    features: tuple[FeaturePlan, ...],
) -> None:
    embedding = Embedding(features)
    assert len(embedding.tables) == len({one.width for one in features})
    ids_BS = torch.stack([torch.randint(one.rows, (50,)) for one in features], dim=1)
    ids_BS[0], ids_BS[1] = 0, torch.tensor([one.rows - 1 for one in features])
    singles = zip(single_tables(embedding, features), ids_BS.unbind(1), strict=True)
    assert torch.equal(embedding(ids_BS, NO_VALUES), torch.cat([table[ids] for table, ids in singles], dim=1))


def test_missing_values_are_trained_like_any_other() -> None:
    embedding = Embedding((feature("a", 3, 2),))
    assert embedding.tables[0].weight[0].any()
    embedding(torch.tensor([[0]]), NO_VALUES).sum().backward()
    assert embedding.tables[0].weight.grad[0].tolist() == [1.0, 1.0]


def test_starts_small_and_smaller_with_many_values() -> None:
    table_RW = Embedding((feature("few", 100, 64), feature("many", 5000, 64))).tables[0].weight.detach()
    assert float(table_RW[:100].std()) == pytest.approx(START_STD, rel=0.1)
    assert float(table_RW[100:].std()) == pytest.approx((3 * 5000) ** -0.5, rel=0.1)


@pytest.mark.parametrize(
    ("ids", "complaint"),
    [
        ([9, 0, 0, 0], "feature `city`: id 9, expected 0 to 8"),
        ([0, 0, -1, 0], "feature `fund`: id -1, expected 0 to 19"),
        ([0, 0, 0, 3], "feature `risk`: id 3, expected 0 to 2"),
    ],
)
def test_an_id_outside_its_table_is_refused_by_name(ids: list[int], complaint: str) -> None:
    ids_BS = torch.zeros(6, 4, dtype=torch.int64)
    ids_BS[4] = torch.tensor(ids)
    with pytest.raises(ValueError, match=complaint):
        Embedding(FEATURES)(ids_BS, NO_VALUES)


@pytest.mark.parametrize("ids", [[9, 0, 0, 0], [0, 0, -1, 0]])
def test_where_ids_are_not_looked_at_the_lookup_fails(ids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aesm_dsl.layers.embedding._can_check", lambda ids: False)
    embedding = Embedding(FEATURES)
    good_BS = torch.tensor([[8, 4, 19, 2]])
    seen = embedding(good_BS, NO_VALUES)
    monkeypatch.undo()
    assert torch.equal(seen, embedding(good_BS, NO_VALUES))
    monkeypatch.setattr("aesm_dsl.layers.embedding._can_check", lambda ids: False)
    with pytest.raises(IndexError):
        embedding(torch.tensor([ids]), NO_VALUES)


def test_too_few_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="3 columns of ids, expected 4"):
        Embedding(FEATURES)(torch.zeros(2, 3, dtype=torch.int64), NO_VALUES)


def test_offsets_are_not_saved() -> None:
    assert list(Embedding(FEATURES).state_dict()) == ["tables.0.weight", "tables.1.weight"]


def test_context_is_the_nodes_down_to_the_level_and_at_last_the_task() -> None:
    plan = make_plan()
    context = Context(plan.levels, plan.tasks)
    node_BL = make_batch(plan, 5).node_BL
    (first, second), last = context(node_BL)
    entry, card = (table.weight[node_BL[:, k]] for k, table in enumerate(context.nodes))
    assert torch.equal(first, entry)
    assert torch.equal(second, torch.cat([entry, card], 1))
    assert isinstance(context.tasks, nn.Embedding)
    for t in range(3):
        assert torch.equal(last[:, t], torch.cat([entry, card, context.tasks.weight[t].expand(5, 3)], 1))


def test_a_node_its_level_does_not_have_is_refused_by_name() -> None:
    plan = make_plan()
    with pytest.raises(ValueError, match="level `card`: node 4, expected 0 to 3"):
        Context(plan.levels, plan.tasks)(torch.tensor([[2, 3], [2, 4]]))
