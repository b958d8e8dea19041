"""Sparse gradients of embedding tables are the dense ones, in every architecture."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from aesm_dsl.layers.build import AnyNetwork, build_network
from aesm_dsl.layers.embedding import Embedding
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import TablePlan, embedding_tables, sparse_table_keys
from aesm_dsl.spec.baseline import ARCHITECTURES
from aesm_dsl.training.fit.loss import loss
from tests.layers.baselines.plans import make_baseline, visit
from tests.layers.plans import make_plan


def with_threshold(plan: Plan, least: float | None) -> Plan:
    return replace(plan, training=replace(plan.training, sparse_from=least))


def test_one_table_a_width_and_the_large_ones_are_sparse() -> None:
    # Two features of width 4 with 9 and 20 rows, two of width 2 with 5 and 3; a batch of 32 rows looks up 64 ids.
    wide, narrow = TablePlan(4, 29, 2, True), TablePlan(2, 8, 2, True)
    plan = make_plan()
    assert embedding_tables(with_threshold(plan, 0.0)) == (narrow, wide)
    assert embedding_tables(with_threshold(plan, 29 / 64)) == (replace(narrow, sparse=False), wide)
    assert sparse_table_keys(with_threshold(plan, 30 / 64)) == frozenset()
    assert sparse_table_keys(with_threshold(plan, None)) == frozenset()


def test_fitted_vocabularies_decide() -> None:
    plan = with_threshold(make_plan(), 29 / 64)
    assert sparse_table_keys(plan) == {4}
    rows = {feature.name: feature.rows for feature in plan.features}
    assert sparse_table_keys(plan.with_rows({**rows, "fund": 10})) == frozenset()


def gradients(network: AnyNetwork) -> dict[str, torch.Tensor]:
    batch = visit(network.plan, 40)
    torch.manual_seed(0)
    loss(network(batch), batch, network.plan).total.backward()
    found = {name: one.grad for name, one in network.named_parameters() if one.grad is not None}
    return {name: one.to_dense() if one.is_sparse else one for name, one in found.items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_are_those_of_dense_tables(architecture: str) -> None:
    plan = make_plan() if architecture == "aes" else make_baseline(architecture)
    dense, sparse = build_network(plan), build_network(with_threshold(plan, 0.0))
    sparse.load_state_dict(dense.state_dict())
    tables = [one for module in sparse.modules() if isinstance(module, Embedding) for one in module.tables]
    assert tables
    assert all(one.sparse for one in tables)
    expected, found = gradients(dense), gradients(sparse)
    assert expected.keys() == found.keys()
    for name, one in expected.items():
        torch.testing.assert_close(found[name], one)
