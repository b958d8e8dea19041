"""What the meters of experts see: against plain loops, and through a forecast."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from aesm_dsl.layers.network import Network, aes_layers
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.plan.plan import Plan
from aesm_dsl.training.sharing.dead_outputs import DEAD_UNIT, OutputMeter
from aesm_dsl.training.sharing.gradient_shares import GradientMeter
from aesm_dsl.training.sharing.usage import UsageMeter
from tests.layers.plans import LAYER, make_batch, make_plan, stir

RELU = make_plan(layer=replace(LAYER, activation="relu", norm="none", mixture_norm="none"))


def make_network(plan: Plan = RELU) -> Network:
    torch.manual_seed(0)
    network = Network(plan)
    stir(network)
    return network.eval()


def test_layers_by_level_and_place() -> None:
    network = make_network()
    found = aes_layers(network)
    assert list(found) == [(level, index) for level in ("entry", "card", "tasks") for index in (0, 1)]
    assert found["card", 1] is network.levels[1][1]
    assert found["tasks", 0] is network.tasks[0]
    assert aes_layers(torch.nn.Linear(2, 2)) == {}


def silence(network: Network) -> None:
    """Expert 1 of every layer loses units 0 and 2: their last Linear stays far below 0."""
    for layer in aes_layers(network).values():
        layer.experts.blocks[-1].bias_EH.data[1, [0, 2]] -= 1e4


def looped(network: Network, seen: dict[tuple[str, int], list[tuple[torch.Tensor, torch.Tensor]]]) -> dict:
    """Share of dead units, one expert, row and unit at a time."""
    found = {}
    for key, layer in aes_layers(network).items():
        shares: list[float | None] = []
        for e in range(layer.plan.experts):
            outputs = []
            for x_RD, weight_RGE in seen[key]:
                for row in range(len(x_RD)):
                    if not weight_RGE[row, :, e].any():
                        continue
                    h = x_RD[row]
                    for block in layer.experts.blocks:
                        h = torch.relu(h @ block.weight_EDH[e] + block.bias_EH[e])
                    outputs.append(h.tolist())
            units = list(zip(*outputs, strict=True))
            dead = [max(unit) - min(unit) <= DEAD_UNIT for unit in units]
            shares.append(sum(dead) / len(dead) if len(outputs) > 1 else None)
        found[key] = tuple(shares)
    return found


def test_dead_units_equal_a_plain_loop_over_batches() -> None:
    network = make_network()
    for table in network.embedding.tables:
        table.weight.data.mul_(40)  # rows that differ
    silence(network)
    seen: dict[tuple[str, int], list[tuple[torch.Tensor, torch.Tensor]]] = {key: [] for key in aes_layers(network)}
    for key, layer in aes_layers(network).items():
        layer.experts.register_forward_hook(lambda _, given, __, key=key: seen[key].append(given))
    with torch.no_grad(), OutputMeter(network) as meter:
        for rows, seed in ((30, 1), (1, 2), (25, 3)):
            network(make_batch(RELU, rows, seed))
    found = meter.dead_units()
    assert found == looped(network, seen)
    assert all(shares[1] is None or shares[1] >= 2 / 6 for shares in found.values())
    assert any(share == 0 for shares in found.values() for share in shares)


def test_the_meter_stops_looking_and_changes_nothing() -> None:
    network, batch = make_network(), make_batch(RELU, 20)
    before = network(batch).logit["purchase"]
    with OutputMeter(network) as meter:
        assert torch.equal(network(batch).logit["purchase"], before)
    found = meter.dead_units()
    network(make_batch(RELU, 20, seed=9))
    assert meter.dead_units() == found
    low_EF = meter._ranges["card", 0][1]
    assert low_EF.shape == (LAYER.experts, LAYER.output), "no rows are kept"


def test_an_expert_that_fewer_than_two_rows_run_says_nothing() -> None:
    network = make_network()
    with OutputMeter(network) as meter:
        selection = network(make_batch(RELU, 1)).selection["card"][0]
    shares = meter.dead_units()["card", 0]
    assert shares == (None,) * LAYER.experts
    assert selection.chosen.any()
    with OutputMeter(network) as nothing:
        pass
    assert set(nothing.dead_units().values()) == {(None,) * LAYER.experts}


def test_usage_carries_dead_units_and_its_json_too() -> None:
    network = make_network()
    usage_meter = UsageMeter(RELU)
    with OutputMeter(network) as meter:
        usage_meter.add(network(make_batch(RELU, 40)).selection)
    usage = usage_meter.result().with_dead_units(meter.dead_units())
    assert usage.level("card")[1].dead_units_E == meter.dead_units()["card", 1]
    assert type(usage).from_json(usage.to_json()) == usage


def backward(prediction: Prediction) -> None:
    (prediction.log_probability["purchase"].sum() + prediction.specific_loss).backward()


def test_gradient_shares_are_means_over_steps_of_squares() -> None:
    network = make_network()
    meter = GradientMeter(network)
    expected: dict[tuple[str, int], list[float]] = {key: [0.0] * LAYER.experts for key in aes_layers(network)}
    for seed in (1, 2):
        network.zero_grad()
        backward(network(make_batch(RELU, 12, seed)))
        meter.add()
        for key, layer in aes_layers(network).items():
            squares = [0.0] * LAYER.experts
            for e in range(LAYER.experts):
                for parameter in layer.experts.parameters():
                    squares[e] += sum(value**2 for value in parameter.grad[e].flatten().tolist())
            for e in range(LAYER.experts):
                expected[key][e] += squares[e] / sum(squares) / 2
    found = meter.shares()
    assert found.keys() == expected.keys()
    for key, shares in found.items():
        assert shares == pytest.approx(expected[key], rel=1e-4)
        assert sum(shares) == pytest.approx(1.0, rel=1e-5)


def test_without_gradients_there_are_no_shares() -> None:
    meter = GradientMeter(make_network())
    assert meter.shares() == {}
    meter.add()
    assert meter.shares() == {}
