"""Vectors from a file in the embedding, against a loop over ids."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from aesm_dsl.layers.embedding import Embedding
from aesm_dsl.layers.pretrained_vectors import PretrainedVectors, fill_vectors
from aesm_dsl.plan.features import FeaturePlan
from aesm_dsl.plan.tables import TablePlan, embedding_parameters, embedding_tables, sparse_table_keys
from tests.layers.plans import feature, make_plan

FILE = torch.arange(12.0).reshape(4, 3) / 7


def features(width: int, *, trained: bool) -> tuple[FeaturePlan, ...]:
    fund = FeaturePlan("fund", "fund", "item", "vectors", 6, width, file="v.npy", given=3, trained=trained)
    seen = replace(fund, name="seen", table="fund", slots=3, pool="attention", take="last")
    return (seen, feature("city", 5, width), fund, replace(fund, name="last", table="fund"))


IDS_BS = torch.tensor([[2, 5, -1, 1, 4, 3], [-1, -1, -1, 2, 1, 0], [0, 1, 2, 0, 0, 5]])


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("width", [3, 2])
def test_each_id_has_the_vector_of_its_key(width: int, trained: bool) -> None:
    embedding = Embedding(features(width, trained=trained))
    fill_vectors(embedding, {"fund": FILE})
    (vectors,) = (one for one in embedding.tables if isinstance(one, PretrainedVectors))
    assert (vectors.turn is None) == (width == 3)
    x_BD = embedding(IDS_BS, torch.empty(3, 0))
    for row in range(3):
        for place, start in ((4, 2 * width), (5, 3 * width)):
            known = int(IDS_BS[row, place])
            own = FILE[known - 2] if known > 1 else vectors.absent_2W[known]
            expected = vectors.turn(own) if known > 1 and vectors.turn is not None else own
            assert torch.allclose(x_BD[row, start : start + width], expected)
    assert torch.equal(x_BD[1, :width], embedding.pools[0].empty)
    x_BD.sum().backward()
    moved = {name for name, one in embedding.named_parameters() if one.grad is not None and one.grad.any()}
    assert ("tables.1.trained.weight" in moved) == trained
    assert "tables.1.absent_2W" in moved
    assert ("tables.1.turn.weight" in moved) == (width == 2)
    assert torch.equal(embedding.state_dict()[f"tables.1.{'trained.weight' if trained else 'frozen_KG'}"], FILE)


def test_tables_and_sizes() -> None:
    plan = replace(make_plan(), features=features(2, trained=True))
    assert embedding_tables(plan) == (TablePlan(2, 5, 1, False), TablePlan(3, 4, 5, False, "fund"))
    assert embedding_parameters(plan) == 5 * 2 + 4 * 3
    sparse = replace(plan, training=replace(plan.training, sparse_from=0.0))
    assert sparse_table_keys(sparse) == {2, "fund"}
    embedding = Embedding(sparse.features, sparse_table_keys(sparse))
    embedding(IDS_BS, torch.empty(3, 0)).sum().backward()
    weight = dict(embedding.named_parameters())["tables.1.trained.weight"]
    assert weight.grad is not None
    assert weight.grad.is_sparse
    assert sum(isinstance(one, nn.Embedding) and one.sparse for one in embedding.modules()) == 2
    frozen = replace(plan, features=features(2, trained=False))
    assert embedding_tables(frozen)[1] == TablePlan(3, 4, 5, False, "fund", True)
    assert embedding_parameters(frozen) == 5 * 2


def test_before_the_file_is_read() -> None:
    fund = FeaturePlan("fund", "fund", "item", "vectors", 2, 4, file="v.npy")
    x_BD = Embedding((fund,))(torch.tensor([[0], [1]]), torch.empty(2, 0))
    assert x_BD.shape == (2, 4)
    with pytest.raises(ValueError, match="feature `fund`: id 2, expected 0 to 1"):
        Embedding((fund,))(torch.tensor([[2]]), torch.empty(1, 0))
