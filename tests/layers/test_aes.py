"""One AES layer: against its plain-loop twin, and what noise may and may not do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from aesm_dsl.layers.aes import AESLayer, Noise
from aesm_dsl.plan.plan import UNKNOWN
from tests.layers import twin
from tests.layers.plans import LAYER, stir

ROWS, TASKS = 9, 4


def make_layer(seed: int = 0, **changes: object) -> AESLayer:
    torch.manual_seed(seed)
    layer = AESLayer(replace(LAYER, **changes)).double()
    stir(layer, seed)
    for name, parameter in layer.named_parameters():
        if name.startswith("norm") or name.endswith(("scale_EH", "shift_EH")):
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    return layer


def make_input(kind: str, nodes: int = LAYER.nodes) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(3)
    gates = (ROWS,) if kind == "level" else (ROWS, TASKS)
    x = torch.randn(*((ROWS, TASKS) if kind == "later task layer" else (ROWS,)), LAYER.input, generator=draw)
    context = torch.randn(*gates, LAYER.context, generator=draw)
    node = torch.randint(nodes, gates, generator=draw) if kind == "level" else torch.arange(TASKS).expand(gates)
    return x.double(), context.double(), node


KINDS = ["level", "first task layer", "later task layer"]
SHAPES = [
    {},
    {"norm": "none", "mixture_norm": "none", "activation": "relu"},
    {"specific": 1, "shared": 3, "hidden": (6,)},
    {"specific": 5, "shared": 5},
    {"specific": 0, "shared": 2},
    {"temperature": 0.3},
    {"temperature": 4.0, "residual": True},
    {"budget": 4},
    {"budget": 4, "specific": 3, "shared": 3, "temperature": 2.0},
]


@pytest.mark.parametrize("noise", [None, Noise(1.5), Noise(1.5, mixture=True)], ids=["quiet", "noise", "both"])
@pytest.mark.parametrize("changes", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_plain_loop_twin(kind: str, changes: dict, noise: Noise | None) -> None:
    layer = make_layer(**changes)
    compare_with_twin(layer, *make_input(kind), noise)


@pytest.mark.parametrize("noise", [None, Noise(1.5)], ids=["quiet", "noise"])
def test_equals_the_twin_when_siblings_are_compared(noise: Noise | None) -> None:
    x, context, node = make_input("level")
    among = torch.rand(ROWS, LAYER.nodes, generator=torch.Generator().manual_seed(4)) < 0.5
    among |= torch.nn.functional.one_hot(node, LAYER.nodes).bool()
    assert {1, 2, 3} <= set(among.sum(1).tolist()), "no row without siblings, or none with"
    compare_with_twin(make_layer(), x, context, node, noise, among)


@pytest.mark.parametrize("noise", [None, Noise(1.5), Noise(1.5, mixture=True)], ids=["quiet", "noise", "both"])
@pytest.mark.parametrize("compared", ["level", "siblings", "one node"])
def test_equals_the_twin_with_unknown_nodes(compared: str, noise: Noise | None) -> None:
    nodes = 1 if compared == "one node" else LAYER.nodes
    x, context, node = make_input("level", nodes)
    node[::3] = UNKNOWN
    among = None
    if compared == "siblings":
        among = torch.rand(ROWS, LAYER.nodes, generator=torch.Generator().manual_seed(4)) < 0.5
        among[torch.arange(ROWS), node.clamp(min=0)] = True
    layer = make_layer(unknown=True, nodes=nodes, shared=2, temperature=0.7)
    compare_with_twin(layer, x, context, node, noise, among)


@pytest.mark.parametrize("noise", [None, Noise(1.5)], ids=["quiet", "noise"])
def test_equals_the_twin_with_one_node(noise: Noise | None) -> None:
    compare_with_twin(make_layer(nodes=1), *make_input("level", nodes=1), noise)


def compare_with_twin(
    layer: AESLayer, x: Tensor, context: Tensor, node: Tensor, noise: Noise | None, among: Tensor | None = None
) -> None:
    plan = layer.plan
    epsilon = None
    if noise is not None:
        noise = replace(noise, generator=torch.Generator().manual_seed(5))
        shape = (*node.shape, plan.nodes, plan.experts)
        epsilon = torch.randn(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    y, selection, tally = layer(x, context, node, noise, among)
    specific_loss, shared_loss, balance_loss = tally.losses()

    assert y.shape == (*node.shape, plan.output)

    def run(at: tuple[int, ...], kept: set[int] | None = None) -> twin.Row:
        return twin.run(
            layer,
            x[at[: x.dim() - 1]].tolist(),
            context[at].tolist(),
            int(node[at]),
            None if epsilon is None else epsilon[at].tolist(),
            0.0 if noise is None else noise.sigma,
            noise is not None and noise.mixture,
            None if among is None else among[at].nonzero().flatten().tolist(),
            kept,
        )

    d_sp, d_sh, rows = [], [], []
    for place in torch.cartesian_prod(*(torch.arange(n) for n in node.shape)).reshape(-1, node.dim()).tolist():
        at, kept = tuple(place), None
        if plan.budget is not None and node.dim() == 2:
            kept = twin.budgeted([run((at[0], task)) for task in range(node.shape[1])], plan.budget)
        seen = run(at, kept)
        assert set(selection.specific[at].nonzero().flatten().tolist()) == seen.specific
        assert set(selection.shared[at].nonzero().flatten().tolist()) == seen.shared
        assert selection.weight[at].tolist() == pytest.approx(seen.weight, abs=1e-10)
        assert y[at].tolist() == pytest.approx(seen.y, abs=1e-10)
        rows.append(seen)
        d_sp += [seen.d_sp[e] for e in seen.specific]
        d_sh += [seen.d_sh[e] for e in seen.shared]
    assert specific_loss.item() == pytest.approx(sum(d_sp) / max(len(d_sp), 1), abs=1e-10)
    assert shared_loss.item() == pytest.approx(sum(d_sh) / max(len(d_sh), 1), abs=1e-10)
    assert balance_loss.item() == pytest.approx(twin.balance(rows), abs=1e-10)


def test_gates_start_at_zero() -> None:
    layer = AESLayer(LAYER)
    assert not layer.gate.weight.any()
    assert not layer.gate.bias.any()
    assert layer.gate.out_features == LAYER.nodes * LAYER.experts


def test_with_one_node_the_auxiliary_losses_are_zero() -> None:
    layer = make_layer(nodes=1)
    *_, tally = layer(*make_input("level", nodes=1), Noise(2.0))
    specific_loss, shared_loss, _ = tally.losses()
    assert specific_loss.item() == 0
    assert shared_loss.item() == 0


def test_the_same_generator_gives_the_same_noise_and_another_gives_other() -> None:
    layer = make_layer()

    def weights(seed: int) -> Tensor:
        return layer(*make_input("level"), Noise(3.0, generator=torch.Generator().manual_seed(seed)))[1].weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_noise_is_off_in_eval() -> None:
    layer = make_layer().eval()
    noisy = layer(*make_input("level"), Noise(100.0, mixture=True))
    quiet = layer(*make_input("level"))
    assert torch.equal(noisy[0], quiet[0])
    assert noisy[2].losses() == quiet[2].losses()


def test_noise_enters_the_mixture_only_when_asked() -> None:
    layer = make_layer(specific=LAYER.experts)  # everything selected: only the mixture can differ
    inputs = make_input("level")
    quiet = layer(*inputs)[1].weight
    assert torch.equal(layer(*inputs, Noise(2.0))[1].weight, quiet)
    assert not torch.allclose(layer(*inputs, Noise(2.0, mixture=True))[1].weight, quiet, atol=1e-2)


def test_noise_explores_other_experts() -> None:
    layer = make_layer()
    inputs = make_input("level")
    noise = Noise(5.0, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(layer(*inputs, noise)[1].specific, layer(*inputs)[1].specific)


def test_the_first_task_layer_runs_each_expert_once_per_row() -> None:
    layer = make_layer()
    rows = []
    for block in layer.experts.blocks:
        block.register_forward_hook(lambda _, given, __: rows.append(given[0].shape[1]))
    layer(*make_input("first task layer"))
    assert rows == [ROWS, ROWS]
    rows.clear()
    layer(*make_input("later task layer"))
    assert rows == [ROWS * TASKS, ROWS * TASKS]


def test_a_shared_input_equals_the_same_input_given_to_every_task() -> None:
    layer = make_layer()
    x_BD, context_BTC, node_BT = make_input("first task layer")
    x_BTD = x_BD.unsqueeze(1).expand(-1, TASKS, -1)
    torch.testing.assert_close(layer(x_BD, context_BTC, node_BT)[0], layer(x_BTD, context_BTC, node_BT)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows(kind: str) -> None:
    x, context, node = (part[:0] for part in make_input(kind))
    y, selection, tally = make_layer()(x, context, node)
    specific_loss, shared_loss, balance_loss = tally.losses()
    assert y.shape == (*node.shape, LAYER.output)
    assert selection.weight.shape == (*node.shape, LAYER.experts)
    assert specific_loss.item() == 0
    assert shared_loss.item() == balance_loss.item() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"specific": 6},
        {"shared": -1},
        {"specific": 0, "shared": 0},
        {"mixture_norm": "batch"},
        {"norm": "group"},
        {"residual": True, "input": 9},
        {"budget": 3},
        {"unknown": True, "shared": 0},
    ],
    ids=str,
)
def test_refuses_plans_it_cannot_run(changes: dict) -> None:
    with pytest.raises(ValueError, match=r"experts|expert|norm|residual"):
        AESLayer(replace(LAYER, **changes))
