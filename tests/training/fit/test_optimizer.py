"""`LazyAdam` beside torch's Adam, and a plain loop over rows."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from aesm_dsl.layers.network import Network
from aesm_dsl.training.fit.optimizer import LazyAdam, optimizers
from tests.layers.plans import TRAINING, make_plan

STEPS = 6


def ids_of(step: int, rows: int, often: bool) -> Tensor:
    """The ids that a step looks up, some of them twice; `often` looks up every row in every step."""
    draw = torch.Generator().manual_seed(step)
    some = torch.randint(rows, (7,), generator=draw)
    return torch.cat([some, torch.arange(rows)]) if often else torch.cat([some, some[:3]])


def table(sparse: bool, rows: int = 12) -> nn.Embedding:
    torch.manual_seed(0)
    return nn.Embedding(rows, 3, sparse=sparse, dtype=torch.float64)


def train(embedding: nn.Embedding, optimizer: torch.optim.Optimizer, often: bool) -> Tensor:
    """The table after some steps in which the learning rate changes."""
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    for step in range(STEPS):
        optimizer.zero_grad()
        embedding(ids_of(step, embedding.num_embeddings, often)).sin().square().sum().backward()
        optimizer.step()
        schedule.step()
    return embedding.weight.detach()


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_rows_of_every_step_are_moved_as_by_adam(kind: type[torch.optim.Adam], decay: float) -> None:
    dense, sparse = table(sparse=False), table(sparse=True)
    lazy = LazyAdam([sparse.weight], 0.1, decay, decoupled=kind is torch.optim.AdamW)
    expected = train(dense, kind([dense.weight], lr=0.1, weight_decay=decay), often=True)
    torch.testing.assert_close(train(sparse, lazy, often=True), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_equals_a_loop_over_the_rows_that_are_looked_up(decay: float, decoupled: bool) -> None:
    embedding, twin = table(sparse=True), table(sparse=False).weight.tolist()
    means, squares = ([[0.0] * 3 for _ in twin] for _ in range(2))
    found = train(embedding, LazyAdam([embedding.weight], 0.1, decay, decoupled=decoupled), often=False)
    for step in range(STEPS):
        rate, ids = 0.1 * 0.5 ** (step // 2), ids_of(step, len(twin), often=False).tolist()
        for row in set(ids):
            for w, value in enumerate(twin[row]):
                gradient = ids.count(row) * 2 * math.sin(value) * math.cos(value)
                if decoupled:
                    value -= rate * decay * value
                else:
                    gradient += decay * value
                means[row][w] = 0.9 * means[row][w] + 0.1 * gradient
                squares[row][w] = 0.999 * squares[row][w] + 0.001 * gradient**2
                mean, square = means[row][w] / (1 - 0.9 ** (step + 1)), squares[row][w] / (1 - 0.999 ** (step + 1))
                twin[row][w] = value - rate * mean / (math.sqrt(square) + 1e-8)
    torch.testing.assert_close(found, torch.tensor(twin, dtype=torch.float64), rtol=1e-9, atol=1e-12)


def test_rows_that_no_batch_looks_up_stay() -> None:
    embedding = table(sparse=True)
    before = embedding.weight.detach().clone()
    lazy = LazyAdam([embedding.weight], 0.1, 0.5, decoupled=True)
    for ids in ([1, 4, 4], [4], []):
        lazy.zero_grad()
        embedding(torch.tensor(ids, dtype=torch.int64)).sum().backward()
        lazy.step()
    moved = (embedding.weight != before).any(dim=1).nonzero().flatten().tolist()
    assert moved == [1, 4]


def test_goes_on_from_a_saved_state() -> None:
    first = table(sparse=True)
    lazy = LazyAdam([first.weight], 0.1, 0.0, decoupled=False)
    train(first, lazy, often=False)
    second = table(sparse=True)
    second.load_state_dict(first.state_dict())
    again = LazyAdam([second.weight], 0.1, 0.0, decoupled=False)
    again.load_state_dict(deepcopy(lazy.state_dict()))  # which shares its tensors
    expected, found = train(first, lazy, often=False), train(second, again, often=False)
    assert torch.equal(found, expected)


def test_a_dense_gradient_is_refused() -> None:
    embedding = table(sparse=False)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="sparse gradients only"):
        LazyAdam([embedding.weight], 0.1, 0.0, decoupled=False).step()


@pytest.mark.parametrize("least", [None, 29 / 64, 0.0])
def test_every_parameter_has_one_optimiser(least: float | None) -> None:
    training = replace(TRAINING, sparse_from=least)
    network = Network(replace(make_plan(), training=training))
    groups = [[one for group in each.param_groups for one in group["params"]] for each in optimizers(network, training)]
    assert sorted(id(one) for group in groups for one in group) == sorted(id(one) for one in network.parameters())
    tables = [table.weight for table in network.embedding.tables.children()]
    lazy = [] if least is None else tables[1:] if least else tables
    assert [id(one) for group in groups[1:] for one in group] == [id(one) for one in lazy]
