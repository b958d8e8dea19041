"""Spec -> Plan: golden plans, wiring, automatic allocation, costs."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from aesm_dsl import AesmError, Spec, build_from_spec, check, compile_spec
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import embedding_parameters
from aesm_dsl.report.tables import layer_table
from aesm_dsl.spec.baseline import ARCHITECTURES
from aesm_dsl.spec.training import Dense
from tests.conftest import PROJECT
from tests.worlds import THREE_LEVELS, write

GOLDEN = PROJECT / "tests" / "golden" / "plans"
BASELINES = ARCHITECTURES[1:]
SPECS = sorted((PROJECT / "specs").glob("*.aesm"))


def test_the_specs_are_found() -> None:
    assert {path.name for path in SPECS} >= {"fund_search.aesm", "hotel.aesm"}
    baselines = {f"three_levels_{one}" for one in BASELINES}
    assert {path.stem for path in GOLDEN.glob("*.json")} == {*(path.stem for path in SPECS), "three_levels", *baselines}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_plans_of_the_specs(path: Path, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{path.stem}.json", compile_spec(path).plan.to_json())


def test_the_plan_of_three_levels(golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / "three_levels.json", compile_spec(Spec.parse(THREE_LEVELS)).plan.to_json())


@pytest.mark.parametrize("architecture", BASELINES)
def test_the_plans_of_baselines(architecture: str, golden: Callable[[Path, str], None]) -> None:
    plan = compile_spec(Spec.parse(THREE_LEVELS), arch=architecture).plan
    golden(GOLDEN / f"three_levels_{architecture}.json", plan.to_json())
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_json_brings_the_same_plan_back(path: Path) -> None:
    plan = compile_spec(path).plan
    assert Plan.from_json(plan.to_json()) == plan
    with pytest.raises(ValueError, match="format 99"):
        Plan.from_json(plan.to_json().replace('"format": 1', '"format": 99', 1))


def test_wiring() -> None:
    plan = compile_spec(Spec.parse(THREE_LEVELS)).plan
    assert plan.width == 12
    assert [layer.context for level in plan.levels for layer in level.layers] == [4, 4, 8, 8, 12, 12]
    assert plan.tasks.layers[0].context == 16
    for level, following in zip(plan.levels, [*plan.levels[1:], plan.tasks], strict=True):
        assert following.layers[0].input == level.layers[-1].output
    assert [task.after for task in plan.tasks.tasks] == [None, 0, 1, None]
    assert [node.parents for node in plan.levels[2].nodes] == [(1,), (0, 1)]
    assert [node.values for node in plan.levels[0].nodes] == [("cn",), ("us",)]


def test_defaults_are_built_in_then_the_models_then_the_levels() -> None:
    text = THREE_LEVELS.replace("embed = 4", "embed = 4\n experts { count = 6; repeat = 1; dropout = 10% }", 1)
    text = text.replace("level page {", "level page {\n experts { count = 5 }")
    plan = compile_spec(Spec.parse(text)).plan
    counts = [layer.experts for level in (*plan.levels, plan.tasks) for layer in level.layers]
    assert counts == [6, 5, 6, 6]
    assert {layer.dropout for level in plan.levels for layer in level.layers} == {0.1}
    assert {layer.norm for level in plan.levels for layer in level.layers} == {"layer"}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_costs_count_the_networks_own_parameters(path: Path) -> None:
    plan = compile_spec(path).plan
    network = build_from_spec(path)
    tables = embedding_parameters(plan)
    served = [one for name, one in network.named_parameters() if not name.startswith("shallow_tower.")]
    assert cost(plan).total.parameters == sum(one.numel() for one in served) - tables


def test_selected_flops_are_bounded_by_dense_ones() -> None:
    found = cost(compile_spec(Spec.parse(THREE_LEVELS)).plan)
    for one in found.levels.values():
        assert 0 < one.selected <= one.dense


@pytest.mark.parametrize(
    ("budget", "unit"), [("20k", "parameters"), ("80k", "parameters"), ("2M", "parameters"), ("60k", "flops")]
)
def test_a_budget_is_kept_and_used(tmp_path: Path, budget: str, unit: str) -> None:
    limit = int(budget[:-1]) * {"k": 1_000, "M": 1_000_000}[budget[-1]]
    path = write(tmp_path, THREE_LEVELS)
    compiled = compile_spec(path, overrides=[f"budget={budget} {unit}"])
    total = cost(compiled.plan).total
    spent = total.parameters if unit == "parameters" else total.selected
    assert spent <= limit
    wide = compiled.plan.levels[0].layers[0].hidden[0]
    if wide < 1024:
        fixed = [f"{level}.experts.hidden=[{wide + 8}, {(wide + 8) // 2}]" for level in ("level.country", "level.page")]
        fixed += [f"{level}.experts.hidden=[{wide + 8}, {(wide + 8) // 2}]" for level in ("level.card", "tasks")]
        counts = [
            f"{name}.experts.count={level.layers[0].experts}"
            for name, level in zip(
                ("level.country", "level.page", "level.card", "tasks"),
                (*compiled.plan.levels, compiled.plan.tasks),
                strict=True,
            )
        ]
        wider = cost(compile_spec(path, overrides=fixed + counts).plan).total
        assert (wider.parameters if unit == "parameters" else wider.selected) > limit, "a wider one would fit too"


def test_a_budget_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    with pytest.raises(AesmError, match=r"E410.*\n.*\n.*\n.*100 parameters") as caught:
        compile_spec(write(tmp_path, THREE_LEVELS), overrides=["budget=100 parameters"])
    assert [item.code for item in caught.value.findings] == ["E410"]


def test_every_automatic_value_says_why() -> None:
    compiled = compile_spec(Spec.parse(THREE_LEVELS))
    for level in ("level.country", "level.page", "level.card", "tasks"):
        for word in ("count", "hidden", "specific", "shared"):
            assert compiled.reasons[f"{level}.experts.{word}"].startswith("auto: ")
    text = compiled.resolved(origins=True)
    assert "# auto: twice 2 nodes" in text
    assert "# line 4" in text
    assert "# built in" in text
    assert "embeddings    = sparse(from: 16)" in text
    assert "# auto: large tables, 16 rows or more for every id that a batch looks up" in text
    decay = compile_spec(Spec.parse(THREE_LEVELS.rstrip().removesuffix("}") + "  train { optimizer = adamw }\n}\n"))
    assert decay.spec.train.embeddings == Dense(call="dense")
    assert decay.plan.training.sparse_from is None
    resolved = compiled.resolved().partition("level country")[2]
    left = {line.split()[0] for line in resolved.splitlines() if line.endswith(" = auto")}
    assert left == {"execution"}, "how experts run is decided batch by batch"


def test_the_resolved_spec_compiles_to_the_same_plan() -> None:
    for path in SPECS:
        compiled = compile_spec(path)
        assert compile_spec(Spec.parse(compiled.resolved())).plan == compiled.plan


def test_options_of_a_layer_reach_the_plan() -> None:
    text = THREE_LEVELS.replace("embed = 4", "embed = 4\n experts { norm = batch; temperature = 0.5 }", 1)
    text = text.replace("level card {", "level card {\n experts { residual = add; compare = siblings; hidden = [24] }")
    text = text.replace("tasks {", "tasks {\n budget = 5 experts")
    plan = compile_spec(Spec.parse(text)).plan
    layers = [*(layer for level in plan.levels for layer in level.layers), *plan.tasks.layers]
    assert {layer.norm for layer in layers} == {"batch"}
    assert {layer.temperature for layer in layers} == {0.5}
    assert [layer.compare for layer in plan.levels[2].layers] == ["siblings"] * 2
    # The first layer's input is as wide as the level above, so only the second can add it.
    assert [layer.residual for layer in plan.levels[2].layers] == [False, True]
    assert [layer.budget for layer in layers] == [None] * 6 + [5, 5]
    assert build_from_spec(Spec.parse(text))
    plain = compile_spec(Spec.parse(text.replace("budget = 5 experts", ""))).plan
    assert cost(plan).levels["tasks"].selected < cost(plain).levels["tasks"].selected


def test_levels_say_what_becomes_of_unknown_nodes() -> None:
    text = THREE_LEVELS.replace("level page {", "level page {\n unknown = shared(hide: 5%)")
    text = text.replace("level card {", "level card {\n unknown = shared").replace('cn "中国"', "cn")
    compiled = compile_spec(Spec.parse(text))
    found = [(level.unknown, level.hide) for level in compiled.plan.levels]
    assert found == [(False, 0.0), (True, 0.05), (True, 0.02)]
    assert [{layer.unknown for layer in level.layers} for level in compiled.plan.levels] == [{False}, {True}, {True}]
    assert not any(layer.unknown for layer in compiled.plan.tasks.layers)
    assert "unknown = shared(hide: 5%)" in compiled.resolved()
    assert compile_spec(Spec.parse(compiled.resolved())).plan == compiled.plan
    assert Plan.from_json(compiled.plan.to_json()) == compiled.plan


def test_sample_spaces_and_joints_reach_the_plan() -> None:
    text = """aesm = 1
model shop {
  features user { age = number() }
  tasks {
    task view
    task click { after = view }
    task cart  { after = click; joint = direct }
    task buy   { after = click; joint = direct; where = click }
    task stay  { where = view }
  }
}
"""
    compiled = compile_spec(Spec.parse(text))
    found = [(task.after, task.factor, task.where) for task in compiled.plan.tasks.tasks]
    assert found == [(None, None, None), (0, 0, None), (1, None, None), (1, None, 1), (None, None, 0)]
    resolved = compiled.resolved()
    assert [task.joint for task in compiled.spec.tasks.tasks] == [None, "product", "direct", "direct", None]
    assert compile_spec(Spec.parse(resolved)).plan == compiled.plan
    assert Plan.from_json(compiled.plan.to_json()) == compiled.plan
    findings = check(Spec.parse(resolved))
    assert not findings.items, "what is resolved gives no warnings"
    hard = compile_spec(Spec.parse(text), arch="shared_bottom").plan.tasks.tasks
    assert [(task.after, task.factor) for task in hard] == [(None, None), (0, None), (1, None), (1, None), (None, None)]


def test_a_tower_per_leaf_is_planned_counted_and_shown() -> None:
    text = THREE_LEVELS.replace("tasks {", "tasks {\n tower_per = leaf", 1)
    compiled = compile_spec(Spec.parse(text))
    leaves = compiled.plan.leaf_count
    assert (compiled.plan.tasks.tower_per, leaves) == ("leaf", len(compiled.plan.leaves))
    plain = compile_spec(Spec.parse(THREE_LEVELS)).plan
    assert cost(compiled.plan).towers.parameters == leaves * cost(plain).towers.parameters
    assert cost(compiled.plan).towers.selected == cost(plain).towers.selected
    assert compile_spec(Spec.parse(compiled.resolved())).plan == compiled.plan
    table = Console(record=True, width=200, file=StringIO())
    table.print(layer_table(compiled.plan))
    assert str(leaves * len(plain.tasks.tasks)) in next(
        line for line in table.export_text().splitlines() if "towers" in line
    )


@pytest.mark.parametrize(
    ("experts", "count"), [("", 4), ("experts { specific = 3 }", 5), ("experts { shared = 0 }", 2)]
)
def test_a_level_of_one_node_has_the_experts_that_its_rows_run(experts: str, count: int, tmp_path: Path) -> None:
    text = (
        "aesm = 1\nmodel m { features f { x = number() }\n level page { node home; node cart }\n tasks { task click\n"
    )
    spec = write(tmp_path, f"{text}{experts} }} }}\n")
    plan = compile_spec(spec).plan
    assert [layer.experts for layer in plan.tasks.layers] == [count] * 2
    assert [layer.experts for layer in plan.levels[0].layers] == [8] * 2
    kept = compile_spec(spec, overrides=["tasks.experts.count=8"]).plan
    assert kept.tasks.layers[0].experts == 8
