"""Experts that collapse are told in plain words; experts in use are not."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from aesm_dsl.api.load_run import load_run
from aesm_dsl.api.simulate import world_spec
from aesm_dsl.api.train import train
from aesm_dsl.data.simulate.fund_search import write_world
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.strict_json import read_json
from aesm_dsl.training.run.history import Epoch
from aesm_dsl.training.sharing.health import Health, health, report_collapse
from aesm_dsl.training.sharing.layer_usage import LayerUsage
from aesm_dsl.training.sharing.sharing_matrix import sharing
from aesm_dsl.training.sharing.usage import Usage
from tests.layers.plans import LAYER, make_plan, task
from tests.report.cases import make_layer

PLAN = make_plan(
    levels=(("entry", 3),), tasks=(task("click"), task("buy")), layer=replace(LAYER, experts=8, specific=2, shared=2)
)
HEALTHY = [
    [0.3, 0.3, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.0, 0.4, 0.3, 0.3, 0.0, 0.0, 0.0],
    [0.0] * 5 + [0.3, 0.3, 0.4],
]
FEW = [[0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]] * 3
FEW_BUT_FOUR = [[0.3, 0.3, 0.2, 0.19, 0.01, 0.0, 0.0, 0.0]] * 3
FOUR_DIVIDED = [[0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0], [0.0] * 8]
ALIKE = [[0.125] * 8] * 3


def usage_of(entry: list[list[list[float]]], plan: Plan = PLAN) -> Usage:
    """One matrix of weights per layer of the entry level; the tasks are healthy."""
    rows = [[100 * bool(sum(row)) for row in weight] for weight in entry]
    layers = [
        replace(make_layer(weight, rows[index], nodes=("a", "b", "c")), level="entry", layer=index)
        for index, weight in enumerate(entry)
    ]
    tasks = [
        replace(make_layer(HEALTHY[:2], nodes=("click", "buy")), level="tasks", layer=index)
        for index in range(len(plan.tasks.layers))
    ]
    return Usage((*layers, *tasks))


def told(usage: Usage, plan: Plan = PLAN) -> list[str]:
    findings, asked = Findings(), []
    report_collapse(plan, usage, findings, lambda path: asked.append(path))
    assert set(asked) <= {"level.entry.experts", "tasks.experts"}
    return [f"{one.code} {one.message}" for one in findings]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ([HEALTHY, HEALTHY], []),
        ([FEW, FEW], ["W601 most rows of level `entry` use only 2 of its 8 experts"]),
        ([FEW, HEALTHY], ["W601 most rows of level `entry` use only 2 of its 8 experts (layer 1 of 2)"]),
        ([HEALTHY, FEW_BUT_FOUR], ["W601 most rows of level `entry` use only 4 of its 8 experts (layer 2 of 2)"]),
        ([FOUR_DIVIDED, HEALTHY], []),
        ([ALIKE, ALIKE], ["W602 all nodes of level `entry` use the same experts"]),
        ([ALIKE, HEALTHY], ["W602 all nodes of level `entry` use the same experts (layer 1 of 2)"]),
        ([FEW, ALIKE], ["W601 most rows of level `entry` use only 2 of its 8 experts (layer 1 of 2)"]),
        ([[[0.0] * 8] * 3] * 2, []),
    ],
    ids=["healthy", "few", "few in one", "four alike", "four divided", "alike", "alike in one", "both", "no rows"],
)
def test_what_is_told(entry: list[list[list[float]]], expected: list[str]) -> None:
    assert told(usage_of(entry)) == expected


def test_where_all_experts_run_anyway_nothing_has_collapsed() -> None:
    everything = replace(PLAN.levels[0].layers[0], specific=4, shared=4)
    plan = replace(PLAN, levels=(replace(PLAN.levels[0], layers=(everything,) * 2),))
    assert told(usage_of([ALIKE, ALIKE]), plan) == []


def test_one_node_that_uses_few_experts_is_told_too() -> None:
    plan = make_plan(levels=(), tasks=(task("click"),), layer=replace(LAYER, experts=8, specific=2, shared=2), repeat=1)
    only = Usage((replace(make_layer([[0.25] * 4 + [0.0] * 4], nodes=("click",)), level="tasks"),))
    assert told(only, plan) == ["W601 most rows of level `tasks` use only 4 of its 8 experts"]


def test_experts_in_use_carry_nearly_all_weight() -> None:
    assert sharing(make_layer([[0.5, 0.45, 0.05, 0.0]])).in_use == 2
    assert sharing(make_layer([[0.5, 0.44, 0.06, 0.0]])).in_use == 3
    assert sharing(make_layer([[0.1] * 10])).in_use == 10
    assert sharing(make_layer([[0.6, 0.4], [0.4, 0.6]], rows=[10, 0])).in_use == 2
    assert sharing(make_layer([[0.0, 0.0]], rows=[0])).in_use == 0


def shared_by(*nodes: list[float], rows: list[int] | None = None) -> LayerUsage:
    layer = make_layer([[0.5] * len(nodes[0])] * len(nodes), rows, nodes="abc"[: len(nodes)])
    return replace(layer, shared_NE=tuple(tuple(node) for node in nodes))


def test_a_shared_expert_may_be_occupied_by_one_node() -> None:
    #            both   only b  hardly  only a, at 90 %
    layer = shared_by([0.9, 0.05, 0.04, 0.9], [0.8, 0.95, 0.0, 0.1])
    assert sharing(layer).occupied == {1: "b", 3: "a"}
    assert sharing(shared_by([1.0, 0.0], [0.0, 0.0], rows=[5, 0])).occupied == {}, "nobody else is there"
    assert sharing(shared_by([1.0, 0.0])).occupied == {}


def test_a_frame_of_experts() -> None:
    layer = replace(shared_by([1.0, 0.0], [0.0, 0.0]), dead_units_E=(0.25, None))
    frame = sharing(layer).experts()
    assert frame.columns == ["expert", "role", "nodes", "share", "occupied_by", "dead_units"]
    assert frame.row(0) == (0, "shared", ["a", "b"], 0.5, "a", 0.25)
    assert frame.row(1) == (1, "shared", ["a", "b"], 0.5, None, None)
    assert sharing(shared_by([1.0, 0.0])).experts()["dead_units"].to_list() == [None, None]


def test_health_of_layers_and_its_way_through_json() -> None:
    usage = usage_of([FEW, [[0.0] * 8] * 3])
    found = health(usage, {("entry", 0): (0.5, 0.5, *[0.0] * 6)})
    assert [(one.level, one.layer) for one in found] == [("entry", 0), ("tasks", 0), ("tasks", 1)]
    assert (found[0].in_use, found[0].dead, found[0].gradient[:3]) == (2, (2, 3, 4, 5, 6, 7), (0.5, 0.5, 0.0))
    assert found[1].gradient == ()
    occupied = replace(found[0], occupied={1: "b"})
    assert read_json(Health, json.dumps(asdict(occupied))) == occupied
    epoch = Epoch(1, 10, 0.5, {"click": 0.7}, 0.6, {"click": 0.6}, (occupied, found[1]))
    assert Epoch.from_data(json.loads(json.dumps(asdict(epoch)))) == epoch
    old = {name: value for name, value in asdict(epoch).items() if name != "experts"}
    assert Epoch.from_data(old).experts == ()


SMALL = ["train.batch=256 rows", "experts.hidden=[8]", "experts.count=8", "experts.repeat=2"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, 4000, 3)
    return folder


def trained(world: Path, name: str, spec: str, *overrides: str) -> tuple[list[str], Path]:
    """What was said after training, and the run's folder."""
    (world / f"{name}.aesm").write_text(spec, encoding="utf-8")
    said: list[Findings] = []
    steps: list[int] = []

    def warn(findings: Findings) -> None:
        said.extend([findings] if steps else [])

    train(
        world / f"{name}.aesm",
        world / name,
        device="cpu",
        overrides=[*SMALL, *overrides],
        warn=warn,
        watch=lambda now: steps.append(now.step),
    )
    assert len(said) <= 1
    return [f"{one.code} {one.message}" for findings in said for one in findings], world / name


def test_one_task_that_picks_one_expert_never_tries_another_and_is_told_once(world: Path) -> None:
    """Its mixture is that expert alone whatever the gate says, so the gate learns nothing."""
    one_task = "\n".join(line for line in world_spec().splitlines() if "task purchase" not in line)
    overrides = ("tasks.experts.specific=1", "tasks.experts.shared=0", "train.length=2 epochs")
    said, folder = trained(world, "collapsed", one_task, *overrides)
    assert said == ["W601 most rows of level `tasks` use only 1 of its 8 experts"]
    for epoch in load_run(folder).history:
        for last in epoch.experts[-2:]:
            assert (last.level, last.in_use, last.dead) == ("tasks", 1, (1, 2, 3, 4, 5, 6, 7))


def test_a_healthy_run_says_nothing_and_remembers_every_epoch(world: Path) -> None:
    said, folder = trained(world, "healthy", world_spec(), "train.length=2 epochs")
    assert said == []
    run = load_run(folder)
    assert len(run.history) == 2
    for epoch in run.history:
        assert [(one.level, one.layer) for one in epoch.experts] == [
            (level, index) for level in ("scenario", "card", "tasks") for index in (0, 1)
        ]
        for one in epoch.experts:
            assert 4 <= one.in_use <= 8
            assert sum(one.gradient) == pytest.approx(1.0, rel=1e-4)
    dead_units = run.sharing("card").dead_units
    assert len(dead_units) == 8
    assert all(share is None or 0 <= share < 0.5 for share in dead_units)


def test_without_validation_rows_a_sample_of_training_rows_is_looked_at(world: Path) -> None:
    before = torch.random.get_rng_state()
    _, folder = trained(world, "sample", world_spec(), "data.valid=none", "train.stop=none", "train.length=3 steps")
    assert torch.equal(torch.random.get_rng_state(), before)
    (epoch,) = load_run(folder).history
    assert epoch.valid_mean_auc is None
    assert [one.level for one in epoch.experts] == ["scenario", "scenario", "card", "card", "tasks", "tasks"]
