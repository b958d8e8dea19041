"""The meter against a plain loop over rows, batches against one batch, and the JSON form."""

from __future__ import annotations

import json
from itertools import product

import pytest
import torch

from aesm_dsl.layers.selection import Selection
from aesm_dsl.plan.plan import LayerPlan, LevelPlan, NodePlan, Plan, TaskLevelPlan, TaskPlan
from aesm_dsl.plan.training import NoisePlan, TrainingPlan
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.usage import Usage, UsageMeter

EXPERTS = {"entry": 5, "card": 3, "tasks": 4}
NODES = {"entry": ("home", "wealth", "never"), "card": ("hot", "product"), "tasks": ("click", "purchase")}
REPEAT = 2


def make_plan() -> Plan:
    def layers(level: str) -> tuple[LayerPlan, ...]:
        one = LayerPlan(8, 4, len(NODES[level]), EXPERTS[level], (8,), 2, 1, "layer", "layer", "silu", 0.0)
        return (one,) * REPEAT

    levels = tuple(
        LevelPlan(
            level, level, level, tuple(NodePlan(node, node, (node,), ()) for node in NODES[level]), 4, layers(level)
        )
        for level in ("entry", "card")
    )
    tasks = tuple(TaskPlan(task, task, task, "as is", None, None, 1.0) for task in NODES["tasks"])
    noise = NoisePlan("anneal", 2.0, 1.0, False)
    training = TrainingPlan("adam", 1e-3, 0.0, "constant", 8, 1.0, None, None, noise, 0.0, 0.0, 0)
    return Plan("p", "p", (), levels, TaskLevelPlan(tasks, 4, layers("tasks"), (8,), "silu", 0.0), training, None)


def random_selection(level: str, rows: int, seed: int) -> Selection:
    """Any sets, with weights on their union; the level's last scenario node never occurs on `entry`."""
    chance = torch.Generator().manual_seed(seed)
    nodes = len(NODES[level])
    if level == "tasks":
        node = torch.arange(nodes).expand(rows, nodes)
    else:
        node = torch.randint(nodes - (level == "entry"), (rows,), generator=chance)
    shape = (*node.shape, EXPERTS[level])
    specific, shared = (torch.rand(shape, generator=chance) < 0.4 for _ in range(2))
    specific[..., 0] = True
    logits = torch.randn(shape, generator=chance).masked_fill(~(specific | shared), -torch.inf)
    return Selection(node, specific, shared, logits.softmax(-1))


def random_batch(rows: int, seed: int) -> dict[str, tuple[Selection, ...]]:
    return {
        level: tuple(random_selection(level, rows, 10 * seed + layer) for layer in range(REPEAT)) for level in NODES
    }


def looped(level: str, layer: int, chosen: Selection) -> LayerUsage:
    """The same in plain Python, one row at a time."""
    nodes, experts = NODES[level], EXPERTS[level]
    rows = [0] * len(nodes)
    sums = {name: [[0.0] * experts for _ in nodes] for name in ("specific", "shared", "weight")}
    for place in product(*(range(size) for size in chosen.node.shape)):
        node = int(chosen.node[place])
        rows[node] += 1
        for name, expert in product(sums, range(experts)):
            sums[name][node][expert] += float(getattr(chosen, name)[(*place, expert)])
    means = {
        name: tuple(tuple(value / max(rows[node], 1) for value in row) for node, row in enumerate(table))
        for name, table in sums.items()
    }
    return LayerUsage(level, layer, nodes, tuple(rows), means["specific"], means["shared"], means["weight"])


def assert_close(found: LayerUsage, expected: LayerUsage) -> None:
    assert (found.level, found.layer, found.nodes) == (expected.level, expected.layer, expected.nodes)
    assert found.rows_N == expected.rows_N
    for name in ("specific_NE", "shared_NE", "weight_NE"):
        for row, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert row == pytest.approx(other, abs=1e-12), (found.level, name)


def metered(*batches: dict[str, tuple[Selection, ...]]) -> Usage:
    meter = UsageMeter(make_plan())
    for batch in batches:
        meter.add(batch)
    return meter.result()


def test_equals_a_plain_loop_on_scenario_and_task_levels() -> None:
    batch = random_batch(60, seed=1)
    usage = metered(batch)
    assert [(layer.level, layer.layer) for layer in usage] == [
        (level, layer) for level in ("entry", "card", "tasks") for layer in range(REPEAT)
    ]
    for layer in usage:
        assert_close(layer, looped(layer.level, layer.layer, batch[layer.level][layer.layer]))


def test_batches_of_any_size_give_what_one_batch_gives() -> None:
    whole = random_batch(50, seed=2)

    def rows(start: int, end: int) -> dict[str, tuple[Selection, ...]]:
        def cut(chosen: Selection) -> Selection:
            parts = (chosen.node, chosen.specific, chosen.shared, chosen.weight)
            return Selection(*(part[start:end] for part in parts))

        return {level: tuple(cut(chosen) for chosen in stack) for level, stack in whole.items()}

    for layer, other in zip(metered(whole), metered(rows(0, 1), rows(1, 33), rows(33, 33), rows(33, 50)), strict=True):
        assert_close(other, layer)


def test_a_node_without_rows_has_zeros_never_nan() -> None:
    entry = metered(random_batch(40, seed=3)).level("entry")[0]
    assert entry.rows_N[2] == 0
    assert entry.specific_NE[2] == entry.shared_NE[2] == entry.weight_NE[2] == (0.0,) * 5
    assert min(entry.rows_N[:2]) > 0


def test_without_any_row_every_layer_is_there_with_zeros() -> None:
    usage = metered()
    assert len(usage) == 6
    assert {value for layer in usage for row in layer.weight_NE for value in row} == {0.0}
    assert usage.level("tasks")[1].rows_N == (0, 0)


def test_sums_are_float64() -> None:
    """Many rows of weight 0.1 in float32: added up in float32 the mean would be off in the fourth digit."""
    rows = 20_000
    weight = torch.full((rows, 3), 0.1, dtype=torch.float32)
    everything = torch.ones(rows, 3, dtype=torch.bool)
    one = Selection(torch.zeros(rows, dtype=torch.int64), everything, everything, weight)
    card = metered(*[{"card": (one,)}] * 20).level("card")[0]
    assert card.rows_N == (400_000, 0)
    assert card.weight_NE[0][0] == pytest.approx(float(torch.tensor(0.1)), rel=1e-12)


def test_rows_of_unknown_nodes_are_not_counted() -> None:
    chosen = random_selection("card", 4, seed=4)
    node = torch.tensor([-1, 0, 2, 1])
    card = metered({"card": (Selection(node, chosen.specific, chosen.shared, chosen.weight),)}).level("card")[0]
    assert card.rows_N == (1, 1)
    assert card.weight_NE[1] == pytest.approx(chosen.weight[3].tolist())


def test_keeps_no_graph_and_no_rows() -> None:
    meter = UsageMeter(make_plan())
    chosen = random_selection("card", 6, seed=5)
    weight = chosen.weight.requires_grad_()
    meter.add({"card": (Selection(chosen.node, chosen.specific, chosen.shared, weight),)})
    (sums,) = meter._sums.values()
    assert not sums.requires_grad
    assert sums.shape == (2, 1 + 3 * 3)


def test_result_can_be_asked_for_on_the_way() -> None:
    meter = UsageMeter(make_plan())
    meter.add(random_batch(10, seed=6))
    first = meter.result()
    meter.add(random_batch(10, seed=7))
    assert first.level("tasks")[0].rows_N == (10, 10)
    assert meter.result().level("tasks")[0].rows_N == (20, 20)


def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(KeyError, match="page"):
        metered({"page": (random_selection("card", 2, seed=8),)})
    with pytest.raises(KeyError, match="page"):
        metered().level("page")


def test_json_round_trip_is_exact() -> None:
    usage = metered(random_batch(33, seed=9))
    assert any(len(repr(value)) > 10 for value in usage.layers[0].weight_NE[0])
    assert Usage.from_json(usage.to_json()) == usage


def test_json_keeps_chinese_and_refuses_another_format() -> None:
    usage = Usage((LayerUsage("入口", 0, ("主搜",), (1,), ((1.0,),), ((0.0,),), ((1.0,),)),))
    assert "主搜" in usage.to_json()
    assert Usage.from_json(usage.to_json()) == usage
    newer = json.dumps(json.loads(usage.to_json()) | {"format": 2})
    with pytest.raises(ValueError, match="usage format 2"):
        Usage.from_json(newer)
