"""Every way of running experts gives what running all of them gives, forward and backward."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

from aesm_dsl.layers.aes import AESLayer
from aesm_dsl.layers.choose_execution import choose_execution
from aesm_dsl.layers.experts import Experts, run_dense, run_sparse
from aesm_dsl.layers.sparse_experts import GroupedPairs, Pairs, SegmentPairs
from aesm_dsl.plan.cost import loop_pays, loop_pays_from
from aesm_dsl.plan.plan import LayerPlan
from tests.layers.plans import LAYER

WIDE = replace(LAYER, input=8, hidden=(16, 8))
"""Widths that a grouped product takes in float32 too."""


def drawn(rows: int, gates: int, experts: int, used: float, dtype: torch.dtype) -> Tensor:
    """weight_BGE, where the first row has none and the last expert is nobody's."""
    weight_BGE = torch.rand(rows, gates, experts, dtype=dtype)
    weight_BGE[torch.rand(weight_BGE.shape) > used] = 0
    weight_BGE[..., -1] = 0
    if rows:
        weight_BGE[0] = 0
    return weight_BGE


def pairs_of(way: str, weight_BGE: Tensor) -> Pairs:
    runs_BE = (weight_BGE != 0).any(dim=1)
    return SegmentPairs(runs_BE) if way == "loop" else GroupedPairs(runs_BE, runs_BE.shape[1])


def results(experts: Experts, way: str, x_BD: Tensor, weight_BGE: Tensor, dy_BGF: Tensor) -> list[Tensor]:
    """The output, and the gradients of the input, the weights and the parameters."""
    x_BD, weight_BGE = x_BD.clone().requires_grad_(), weight_BGE.clone().requires_grad_()
    experts.zero_grad()
    if way == "dense":
        y_BGF = run_dense(experts.blocks, x_BD, weight_BGE)
    else:
        y_BGF = run_sparse(experts.blocks, x_BD, weight_BGE, pairs_of(way, weight_BGE))
    y_BGF.backward(dy_BGF)
    # The gradient of a weight that is 0 is not asked for: the softmax that made it multiplies by it.
    grad_BGE = weight_BGE.grad * (weight_BGE != 0)
    return [y_BGF.detach(), x_BD.grad, grad_BGE, *(one.grad.clone() for one in experts.parameters())]


@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
@pytest.mark.parametrize("gates", [1, 3])
@pytest.mark.parametrize(
    ("way", "dtype", "within"),
    [("loop", torch.float64, 1e-10), ("loop", torch.float32, 1e-5), ("grouped", torch.float32, 1e-5)],
)
def test_equal_to_running_all(norm: str, gates: int, way: str, dtype: torch.dtype, within: float) -> None:
    torch.manual_seed(0)
    experts = Experts(replace(WIDE, norm=norm)).to(dtype)
    for parameter in experts.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    x_BD = torch.randn(40, 8, dtype=dtype)
    for used in (0.2, 0.9):
        weight_BGE = drawn(40, gates, 5, used, dtype)
        dy_BGF = torch.randn(40, gates, 8, dtype=dtype)
        sparse = results(experts, way, x_BD, weight_BGE, dy_BGF)
        for one, other in zip(sparse, results(experts, "dense", x_BD, weight_BGE, dy_BGF), strict=True):
            torch.testing.assert_close(one, other, rtol=within, atol=within)


@pytest.mark.parametrize("way", ["loop", "grouped"])
def test_batch_norm_learns_and_then_runs_as_with_all(way: str) -> None:
    torch.manual_seed(0)
    one, other = (Experts(replace(WIDE, norm="batch")) for _ in range(2))
    other.load_state_dict(one.state_dict())
    for _ in range(3):
        x_BD, weight_BGE = torch.randn(12, 8), drawn(12, 1, 5, 0.4, torch.float32)
        run_dense(one.blocks, x_BD, weight_BGE)
        run_sparse(other.blocks, x_BD, weight_BGE, pairs_of(way, weight_BGE))
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)
    one.eval(), other.eval()
    found = run_sparse(other.blocks, x_BD, weight_BGE, pairs_of(way, weight_BGE))
    torch.testing.assert_close(found, run_dense(one.blocks, x_BD, weight_BGE))


@pytest.mark.parametrize("way", ["loop", "grouped"])
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_few_rows_and_none_that_select(way: str, rows: int) -> None:
    experts, x_BD = Experts(WIDE), torch.randn(rows, 8)
    nothing_BGE = torch.zeros(rows, 2, 5)
    y_BGF = run_sparse(experts.blocks, x_BD, nothing_BGE, pairs_of(way, nothing_BGE))
    assert y_BGF.shape == (rows, 2, 8)
    assert not y_BGF.any()
    y_BGF.sum().backward()
    assert all(one.grad is not None and not one.grad.any() for one in experts.parameters())


def test_gradients() -> None:
    torch.manual_seed(0)
    experts = Experts(replace(LAYER, experts=3, hidden=(3, 2), input=3)).double()
    weight_BGE = torch.tensor([[[0.5, 0.5, 0.0]], [[0.0, 1.0, 0.0]]], dtype=torch.float64)
    names = [name for name, _ in experts.named_parameters()]

    class Run(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = experts

        def forward(self, x_BD: Tensor) -> Tensor:
            return run_sparse(self.experts.blocks, x_BD, weight_BGE, pairs_of("loop", weight_BGE))

    def run(x_BD: Tensor, *values: Tensor) -> Tensor:
        state = {f"experts.{name}": value for name, value in zip(names, values, strict=True)}
        return torch.func.functional_call(Run(), state, (x_BD,))

    x_BD = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (x_BD, *experts.parameters()))


def test_only_what_is_selected_is_computed() -> None:
    """The rows that reach the first product are the selected pairs, no more."""
    weight_BGE = torch.tensor([[[0.5, 0.5, 0.0]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0]]])
    pairs = SegmentPairs((weight_BGE != 0).any(dim=1))
    assert pairs.row_P.tolist() == [0, 0, 1]
    assert pairs.expert_P.tolist() == [0, 1, 1]
    assert (pairs.experts, pairs.sizes) == ([0, 1], [1, 2])


def test_dropout_drops_on_the_pairs() -> None:
    torch.manual_seed(0)
    experts = Experts(replace(WIDE, hidden=(512,), dropout=0.25, norm="none", activation="relu"))
    for block in experts.blocks:
        block.bias_EH.data.fill_(1.0)
        block.weight_EDH.data.zero_()
    weight_BGE = torch.eye(5)[[0, 1, 2]].unsqueeze(1)
    y_BGF = run_sparse(experts.blocks, torch.randn(3, 8), weight_BGE, pairs_of("loop", weight_BGE))
    assert (y_BGF == 0).float().mean().item() == pytest.approx(0.25, abs=0.05)
    assert y_BGF.mean().item() == pytest.approx(1.0, abs=0.07)


@pytest.mark.parametrize("way", ["loop", "grouped", "dense"])
def test_a_layer_runs_as_its_plan_says(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    plan = replace(WIDE, execution=way)
    layer = AESLayer(plan).eval()
    for parameter in layer.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    x_BTD, context_BTC, node_BT = torch.randn(30, 4, 8), torch.randn(30, 4, 3), torch.arange(4).expand(30, -1)
    expected = AESLayer(replace(plan, execution="dense")).eval()
    expected.load_state_dict(layer.state_dict())
    ran = []
    for kind in (SegmentPairs, GroupedPairs):
        monkeypatch.setattr(kind, "mix", lambda self, *args, kind=kind: ran.append(kind) or Pairs.mix(self, *args))
    for x in (x_BTD, x_BTD[:, 0]):  # an input per task, and one that the tasks share
        torch.testing.assert_close(layer(x, context_BTC, node_BT)[0], expected(x, context_BTC, node_BT)[0])
    assert set(ran) == {"loop": {SegmentPairs}, "grouped": {GroupedPairs}, "dense": set()}[way]


@pytest.mark.parametrize("gates", [1, 2])
@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
def test_bfloat16_under_autocast(norm: str, gates: int) -> None:
    torch.manual_seed(0)
    experts = Experts(replace(WIDE, norm=norm))
    x_BD, weight_BGE = torch.randn(64, 8), drawn(64, gates, 5, 0.4, torch.float32)
    exact = run_dense(experts.blocks, x_BD, weight_BGE)
    for way in ("loop", "grouped"):
        with torch.autocast("cpu", torch.bfloat16):
            found = run_sparse(experts.blocks, x_BD, weight_BGE, pairs_of(way, weight_BGE))
        torch.testing.assert_close(found.float(), exact, rtol=0.05, atol=0.05)
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            again = run_sparse(experts.blocks, x_BD, weight_BGE, pairs_of(way, weight_BGE))
        torch.testing.assert_close(again, found, rtol=0.01, atol=0.01)
        found.float().square().sum().backward()
        assert all(one.grad is not None and one.grad.dtype == torch.float32 for one in experts.parameters())


def test_the_way_that_costs_least() -> None:
    large = LayerPlan(160, 8, 2, 64, (256, 128), 1, 1, "layer", "layer", "silu", 0.0)
    assert choose_execution(large, torch.zeros(4096, 160), 1) == "loop"
    assert choose_execution(replace(large, execution="dense"), torch.zeros(4096, 160), 1) == "dense"
    assert choose_execution(replace(large, experts=8), torch.zeros(1, 160), 1) == "dense"
    assert choose_execution(replace(large, experts=8), torch.zeros(4096, 160), 1) == "loop"
    assert (
        choose_execution(replace(large, experts=8), torch.zeros(4096, 160), 4) == "dense"
    )  # a row may run all of them
    # What torch has no grouped product for.
    grouped = replace(large, execution="grouped")
    assert choose_execution(grouped, torch.zeros(9, 160), 1) == "grouped"
    assert choose_execution(grouped, torch.zeros(9, 160).double(), 1) == "loop"
    assert choose_execution(replace(grouped, hidden=(30,)), torch.zeros(9, 160), 1) == "loop"
    # A start costs more on a GPU.
    assert not loop_pays(replace(large, experts=8), 256, device="cuda")


@pytest.mark.parametrize("experts", [3, 8, 64, 256])
def test_from_how_many_rows_it_pays(experts: int) -> None:
    plan = LayerPlan(160, 8, 2, experts, (64, 32), 1, 1, "layer", "layer", "silu", 0.0)
    rows = loop_pays_from(plan)
    assert rows is not None
    assert loop_pays(plan, rows)
    assert loop_pays(plan, 10 * rows)
    assert rows == 1 or not loop_pays(plan, rows - 1)
    assert loop_pays_from(replace(plan, experts=2)) is None


@pytest.mark.parametrize("way", ["loop", "grouped"])
def test_compiled(way: str) -> None:
    """torch.compile follows the layer, in several graphs where the number of pairs is asked for."""
    torch.manual_seed(0)
    experts = Experts(replace(WIDE, execution=way, hidden=(8,), norm="none")).bfloat16()
    inputs = torch.randn(30, 8).bfloat16(), drawn(30, 1, 5, 0.4, torch.bfloat16)
    compiled = torch.compile(experts, backend="eager")
    torch.testing.assert_close(compiled(*inputs), experts(*inputs))


def _rank(rank: int, file: str) -> None:
    """Data-parallel: rank 1 routes all its rows to expert 2, which no row of rank 0 selects."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    torch.manual_seed(0)
    alone, parallel = Experts(replace(WIDE, execution="loop")), Experts(replace(WIDE, execution="loop"))
    parallel.load_state_dict(alone.state_dict())
    x_BD, weight_BGE = torch.randn(8, 8), torch.zeros(8, 1, 5)
    weight_BGE[:4, :, :2], weight_BGE[4:, :, 2] = 0.5, 1.0
    own = slice(4 * rank, 4 * rank + 4)
    wrapped = DistributedDataParallel(parallel)
    for _ in range(2):
        parallel.zero_grad(), alone.zero_grad()
        wrapped(x_BD[own], weight_BGE[own]).square().sum().backward()
        alone(x_BD, weight_BGE).square().sum().backward()
    for one, other in zip(parallel.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(2 * one.grad, other.grad)
    distributed.barrier()  # nobody hangs up while the other still speaks
    del wrapped
    distributed.destroy_process_group()


def test_ranks_that_route_nothing_to_an_expert(tmp_path: Path) -> None:
    multiprocessing.spawn(_rank, (str(tmp_path / "meet"),), nprocs=2)
