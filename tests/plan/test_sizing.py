"""What baselines cost, counted by formula and on the network itself, and how they are made as large as AES."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from aesm_dsl import AesmError, Spec, build_from_spec, check, compile_spec
from aesm_dsl.cli.arguments import Architecture
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.plan.compiled import Compiled, compile_loaded
from aesm_dsl.plan.cost import cost
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.tables import embedding_parameters
from aesm_dsl.spec.baseline import ARCHITECTURES, LEAF_FEATURE, BaselineBlock
from tests.conftest import PROJECT, SWEEP
from tests.layers.baselines.plans import visit
from tests.plan.test_plan import SPECS
from tests.worlds import THREE_LEVELS, write

BASELINES = ARCHITECTURES[1:]

TASKS_ALONE = """\
aesm = 1
model alone {
  features item { price = number(quantiles: 8); seller = id(buckets: 50) }
  tasks { task click; task buy { after = click }; tower = [12] }
}
"""

ONE_LEAF = """\
aesm = 1
model one {
  features item { price = number(quantiles: 8); seller = id(buckets: 50) }
  level page { node home; unknown = shared }
  tasks { task click }
}
"""

TEXTS = {"three levels": THREE_LEVELS, "tasks alone": TASKS_ALONE, "one leaf": ONE_LEAF}


def compiled(text: str, architecture: str, **words: object) -> tuple[Compiled, Findings]:
    findings = Findings()
    spec = Spec.parse(text).model_copy(update={"architecture": architecture, "baseline": BaselineBlock(**words)})
    found = compile_loaded(spec, findings)
    assert found is not None
    return found, findings


def mixing(plan: Plan) -> int:
    """FLOPs a row of adding up experts' outputs, which `cost` leaves out."""
    baseline, tasks = plan.baseline, len(plan.tasks.tasks)
    assert baseline is not None
    if baseline.architecture == "mmoe":
        return 2 * tasks * baseline.experts * baseline.output
    if baseline.architecture == "ple":
        of_tasks = tasks * (baseline.specific + baseline.shared) * baseline.repeat
        of_shared = (tasks * baseline.specific + baseline.shared) * (baseline.repeat - 1)
        return 2 * (of_tasks + of_shared) * baseline.output
    if baseline.architecture == "adatt":
        everyone = tasks * baseline.specific + baseline.shared
        return 2 * (tasks * baseline.repeat + baseline.repeat - 1) * everyone * baseline.output
    if baseline.architecture == "hinet":
        sub_experts = baseline.shared + baseline.leaves * baseline.specific
        others = baseline.leaves if baseline.leaves > 1 else 0
        return 2 * (sub_experts + others + tasks * (baseline.specific + baseline.shared)) * baseline.output
    if baseline.architecture == "m3oe":
        return 2 * tasks * baseline.shared * baseline.output
    return 0


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("architecture", BASELINES)
def test_costs_are_those_of_the_network_itself(architecture: str, name: str) -> None:
    # Of a single specific expert, the mixture is no product that the counter sees.
    words = BaselineBlock(norm="none" if name == "one leaf" else "layer", specific=2)
    spec = Spec.parse(TEXTS[name]).model_copy(update={"baseline": words})
    plan = compile_spec(spec, arch=architecture).plan
    network = build_from_spec(spec, arch=architecture)
    assert network.plan == plan
    assert plan.baseline is not None
    tables = embedding_parameters(plan) * len(network.embeddings)
    total = cost(plan).total
    assert total.parameters == sum(one.numel() for one in network.parameters()) - tables
    assert len(network.embeddings) == (plan.baseline.leaves if architecture == "single" else 1)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(visit(plan, 64))
    assert total.dense == total.selected
    assert counter.get_total_flops() == 64 * (total.selected + mixing(plan))


@pytest.mark.parametrize("match", ["parameters", "flops"])
@pytest.mark.parametrize(
    ("architecture", "path"),
    [
        pytest.param(architecture, path, id=f"{architecture}-{path.stem}")
        for architecture in BASELINES
        for path in SPECS
        if SWEEP or architecture == "mmoe" or path.stem in ("fund_search", "hotel")
    ],
)
def test_each_is_as_large_as_the_aes_model(architecture: str, match: str, path: Path) -> None:
    aes = cost(compile_spec(path).plan).total
    warned = Findings()
    plan = compile_spec(path, overrides=[f"baseline.match={match}"], arch=architecture, warn=warned.extend).plan
    total, baseline = cost(plan).total, plan.baseline
    assert baseline is not None
    assert (baseline.aes_parameters, baseline.aes_flops) == (aes.parameters, aes.selected)
    own, other = (total.parameters, aes.parameters) if match == "parameters" else (total.selected, aes.selected)
    assert abs(own / other - 1) < 0.01
    assert not warned.items
    wide, last = baseline.hidden
    assert wide / 4 <= last <= 2 * wide


@pytest.mark.parametrize("architecture", LEAF_FEATURE)
def test_the_leaf_as_a_feature_is_part_of_the_cost(architecture: str) -> None:
    spec = Spec.parse(THREE_LEVELS).model_copy(update={"baseline": BaselineBlock(leaf_feature=True)})
    plan = compile_spec(spec, arch=architecture).plan
    assert plan.baseline is not None
    assert plan.baseline.embed > 0
    network = build_from_spec(spec, arch=architecture)
    tables = embedding_parameters(plan)
    assert cost(plan).total.parameters == sum(one.numel() for one in network.parameters()) - tables
    assert cost(plan).total.parameters == pytest.approx(plan.baseline.aes_parameters, rel=0.05)
    assert cost(plan).levels["leaf embedding"].parameters == plan.leaf_count * plan.baseline.embed


def test_what_cannot_be_as_large_is_told_with_figures() -> None:
    small = THREE_LEVELS.replace("embed = 4", "embed = 4\n experts { count = 1; specific = 1; hidden = [2, 1] }", 1)
    found, findings = compiled(small, "single")
    assert found.plan.baseline is not None
    spent, target = cost(found.plan).total.parameters, found.plan.baseline.aes_parameters
    (item,) = findings
    assert item.code == "W109"
    assert f"{spent:,} parameters against {target:,}, {spent / target - 1:+.0%}" in item.message
    assert found.plan.baseline.hidden == (1, 1)
    assert "`tower`" in item.help[0]
    _, findings = compiled(small, "single", hidden=(1, 1))
    assert not findings.items, "widths that were asked for are no fault"
    assert [one.code for one in check(Spec.parse(small).model_copy(update={"architecture": "star"}))] == ["W109"]


def test_widths_that_are_given_stay() -> None:
    found, _ = compiled(THREE_LEVELS, "mmoe", hidden=(9, 8, 7), experts=3)
    assert found.plan.baseline is not None
    assert (found.plan.baseline.hidden, found.plan.baseline.experts) == ((9, 8, 7), 3)
    assert "baseline.hidden" not in found.reasons


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_resolved_spec_compiles_to_the_same_plan(architecture: str) -> None:
    found = compile_spec(Spec.parse(THREE_LEVELS), arch=architecture)
    text = found.resolved(origins=True)
    again = compile_spec(Spec.parse(found.resolved()))
    assert again.plan == found.plan
    assert found.spec.architecture == architecture
    if architecture == "aes":
        assert "baseline {" not in text
    else:
        assert "auto: " in text.partition("baseline {")[2].partition("}")[0]
        assert "of the AES model's" in text


def test_only_the_numbers_of_the_architecture_are_in_its_plan() -> None:
    for architecture in BASELINES:
        plan = compile_spec(Spec.parse(THREE_LEVELS), arch=architecture).plan
        assert plan.baseline is not None
        assert bool(plan.baseline.experts) == (architecture == "mmoe")
        assert bool(plan.baseline.specific) == (architecture in ("ple", "adatt", "hinet"))
        assert bool(plan.baseline.shared) == (architecture in ("ple", "adatt", "hinet", "m3oe"))
        assert bool(plan.baseline.repeat) == (architecture in ("ple", "adatt"))
        assert bool(plan.baseline.auxiliary) == (architecture in ("star", "pepnet"))
        assert bool(plan.baseline.embed) == (architecture in ("star", "esmm", "pepnet", "hinet"))
        assert not any(level.layers for level in (*plan.levels, plan.tasks))


def test_an_architecture_can_be_named_in_three_ways(tmp_path: Path) -> None:
    path = write(tmp_path, THREE_LEVELS)
    written = write(tmp_path, THREE_LEVELS.replace("embed = 4", "embed = 4\n architecture = ple", 1), "ple.aesm")
    plan = compile_spec(path, arch="ple").plan
    assert compile_spec(path, overrides=["architecture=ple"]).plan == plan
    assert compile_spec(written).plan == plan
    assert compile_spec(Spec.parse(THREE_LEVELS), arch="ple").plan == plan
    assert compile_spec(written, arch="aes").plan == compile_spec(path).plan
    assert tuple(one.value for one in Architecture) == ARCHITECTURES
    for spec in (path, Spec.parse(THREE_LEVELS)):
        with pytest.raises(AesmError, match="no architecture `mmo`") as caught:
            compile_spec(spec, arch="mmo")
        assert "did you mean `mmoe`?" in str(caught.value)


def test_the_sizes_in_the_docs_are_the_sizes(request: pytest.FixtureRequest) -> None:
    path, spec = PROJECT / "docs" / "architectures.md", PROJECT / "specs" / "hotel.aesm"
    text = path.read_text(encoding="utf-8")
    rows = []
    for architecture in BASELINES:
        for match in ("parameters", "flops"):
            plan = compile_spec(spec, overrides=[f"baseline.match={match}"], arch=architecture).plan
            assert plan.baseline is not None
            total, hidden = cost(plan).total, ", ".join(str(width) for width in plan.baseline.hidden)
            rows.append(f"| `{architecture}` | `{match}` | {hidden} | {total.parameters:,} | {total.selected:,} |\n")
    head = "|---|---|---|---:|---:|\n"
    before, _, rest = text.partition(head)
    written = f"{before}{head}{''.join(rows)}\n{rest.partition(chr(10) * 2)[2]}"
    if request.config.getoption("--accept"):
        path.write_text(written, encoding="utf-8")
        return
    assert text == written, "`make accept` writes them"
    sizes = f"{plan.baseline.aes_parameters:,} parameters and takes {plan.baseline.aes_flops:,} FLOPs per row"
    assert sizes in " ".join(text.split())
