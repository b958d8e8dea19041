"""Exported = eager: the ONNX model against the network; the description, and what cannot be exported."""

from __future__ import annotations

import copy
import errno
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from aesm_dsl import AesmError, build_from_spec, export, predict
from aesm_dsl.data.batch import Batch
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.baselines.star import StarLinears
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.layers.experts import Experts
from aesm_dsl.layers.stacked_linears import Linears
from aesm_dsl.plan.plan import UNKNOWN
from aesm_dsl.serving import export_modules
from aesm_dsl.serving.engine import torch_engine
from aesm_dsl.serving.export_inputs import keyword_inputs, named_inputs
from aesm_dsl.serving.export_modules import exported_leaf_module, replace_modules, torch_linears
from aesm_dsl.serving.onnx_model import OPSET, onnx_model
from aesm_dsl.serving.onnx_placeholders import DOMAIN
from aesm_dsl.serving.torch_program import export_program
from aesm_dsl.training.run.folder import Run
from tests.conftest import PROJECT, SWEEP
from tests.serving.conftest import table_of
from tests.serving.ties import assert_same, scores_of

SMALL = [
    "experts.repeat=1",
    "features.user.user_id=id(buckets: 100, embed: 4)",
    "features.item.fund_id=id(buckets: 50, embed: 4)",
]

VARIANTS = {
    "unknown nodes, siblings, cross layers": [
        "level.scenario.unknown=shared",
        "level.card.unknown=shared",
        "level.card.experts.compare=siblings",
        "bottom.interaction=dcn_v2(layers: 2, rank: 3)",
    ],
    "batch norm, relu, a budget, two layers": [
        "experts.repeat=2",
        "experts.norm=batch",
        "experts.activation=relu",
        "tasks.budget=3 experts",
    ],
    "no norm, all experts": ["experts.norm=none", "experts.specific=4", "experts.shared=4"],
    "a tower per leaf": ["tasks.tower_per=leaf", "tasks.tower=[16, 8]"],
    "a tower per leaf, and for unknown nodes": ["tasks.tower_per=leaf", "level.card.unknown=shared"],
    "a tower per leaf without a hidden layer": ["tasks.tower_per=leaf", "tasks.tower=[]"],
    "shared_bottom": ["architecture=shared_bottom", "level.scenario.unknown=shared"],
    "mmoe, a factorisation machine": ["architecture=mmoe", "bottom.interaction=fm(width: 4)"],
    "ple": ["architecture=ple", "baseline.repeat=2"],
    "star, unknown nodes": ["architecture=star", "level.card.unknown=shared"],
    "esmm, a gate of nodes": [
        "architecture=esmm",
        "level.scenario.unknown=shared",
        "bottom.gate=scenario(hidden: 8)",
    ],
    "single, a gate of fields": ["architecture=single", "bottom.gate=senet"],
}

RIVALS = ("pepnet", "adatt", "aitm", "hinet", "m3oe", "cross_stitch")
"""Architectures made of the same parts as those of VARIANTS, whose graphs are exported in sweeps only."""

OFTEN = (
    "unknown nodes, siblings, cross layers",
    "mmoe, a factorisation machine",
    "star, unknown nodes",
)
"""The variants that differ most from each other: those that are exported always. All have a tower per leaf."""

EXPORTED: dict[str, list[str]] = (
    {**VARIANTS, **{name: [f"architecture={name}"] for name in RIVALS}}
    if SWEEP
    else {name: VARIANTS[name] for name in OFTEN}
)


def network(overrides: Sequence[str]) -> AnyNetwork:
    """With gates that differ, and parameters and statistics of norms that are not those it starts with."""
    made = build_from_spec(PROJECT / "specs" / "fund_search.aesm", overrides=[*SMALL, *overrides])
    chance = torch.Generator().manual_seed(5)
    for name, one in made.named_parameters():
        if ".gate." in name:
            nn.init.normal_(one, std=0.5, generator=chance)
        elif name.rpartition(".")[2] in ("scale_LGH", "shift_LGH", "scale_LD", "shift_LD", "factor_LGDH", "bias_LGH"):
            nn.init.uniform_(one, 0.5, 1.5, generator=chance)
    for name, buffer in made.named_buffers():
        if name.endswith(("mean_EH", "variance_EH")):
            low, high = (0.2, 0.8) if name.endswith("variance_EH") else (-0.3, 0.3)
            nn.init.uniform_(buffer, low, high, generator=chance)
    made.train()(batch_of(made, 50, 6))  # STAR's statistics: some of its leaves have too few rows for their own
    return made.eval()


def batch_of(network: AnyNetwork, rows: int, seed: int) -> Batch:
    plan, chance = network.plan, torch.Generator().manual_seed(seed)
    ids = [torch.randint(0, one.rows, (rows, 1), generator=chance) for one in plan.all_features]
    leaves = torch.tensor(plan.leaves)
    node_BL = leaves[torch.randint(0, len(leaves), (rows,), generator=chance)]
    hidden_BL = torch.rand(node_BL.shape, generator=chance) < 0.2
    unknown_L = torch.tensor([level.unknown for level in plan.levels])
    node_BL = torch.where(hidden_BL & unknown_L, UNKNOWN, node_BL)
    labels = torch.zeros(rows, len(plan.tasks.tasks))
    return Batch(torch.cat(ids, dim=1), torch.zeros(rows, 0), node_BL, labels, torch.ones(rows))


def chooses(module: nn.Module) -> bool:
    """Whether rows have parameters of their own in it: experts, or Linears of several leaves."""
    leaves = (isinstance(module, Linears) and len(module.weight_LGDH)) or (
        isinstance(module, StarLinears) and len(module.factor_LGDH)
    )
    return leaves > 1 or isinstance(module, Experts)


def inputs_of(network: AnyNetwork, batch: Batch) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in named_inputs(network.plan, batch).items()}


def whole_model(network: AnyNetwork) -> onnx.ModelProto:
    model, weights = onnx_model(network)
    return weights.inside(model)


def bounds(network: AnyNetwork) -> Iterator[tuple[str, int, int]]:
    """Of every feature and level its name, its least id or node, and what lies behind the largest."""
    for feature in network.plan.features:
        yield f"feature.{feature.name}", 0, feature.rows
    for level in network.plan.levels:
        yield f"level.{level.name}", UNKNOWN if level.unknown else 0, len(level.nodes)


def assert_refused_outside(
    network: AnyNetwork, score: Callable[[dict[str, np.ndarray]], object], rename: Callable[[str], str] = str
) -> None:
    """An id or a node outside its table, in one row of few and of many, is an error and nothing else's scores."""
    for name, least, behind in bounds(network):
        for rows, value in ((1, least - 1), (40, least - 2), (40, behind), (1, behind + 1), (40, 2**40)):
            inputs = {
                rename(key): array.copy() for key, array in inputs_of(network, batch_of(network, rows, 3)).items()
            }
            inputs[rename(name)][-1] = value
            with pytest.raises(Exception, match=r"out of (data )?(bounds|range)|[Ii]ndex|indices|must be within"):
                score(inputs)


@pytest.mark.parametrize("overrides", EXPORTED.values(), ids=EXPORTED)
def test_the_model_gives_what_the_network_gives(overrides: list[str]) -> None:
    eager = network(overrides)
    before = {name: one.clone() for name, one in eager.state_dict().items()}
    model = whole_model(eager)
    assert all(torch.equal(one, before[name]) for name, one in eager.state_dict().items()), "it changed the network"
    onnx.checker.check_model(model, full_check=True)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", OPSET)]
    assert all(node.domain != DOMAIN for node in model.graph.node)
    ways = [one for one in model.graph.node if one.op_type == "If"]
    assert len(ways) == sum(map(chooses, eager.modules()))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert [one.name for one in session.get_outputs()] == ["click", "purchase"]
    for rows in (1, 2, 7, 40, 1000):
        batch = batch_of(eager, rows, rows)
        found = np.stack(session.run(None, inputs_of(eager, batch)), axis=1)
        assert_same(eager, batch, found, scores_of(eager, batch))
        assert rows <= 2 or (np.ptp(found, axis=0) > 1e-3).all(), "every row scored alike"
    none = session.run(None, inputs_of(eager, batch_of(eager, 0, 0)))
    assert [one.shape for one in none] == [(0,), (0,)]
    assert_refused_outside(eager, lambda inputs: session.run(None, inputs))


@pytest.mark.parametrize(("overrides", "dense"), [*((one, 32) for one in EXPORTED.values()), (VARIANTS["ple"], 1)])
def test_the_program_gives_what_the_network_gives(
    overrides: list[str], dense: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dense`: how many leaves are few enough to run all of them."""
    monkeypatch.setattr(export_modules, "DENSE_LEAVES", dense)
    eager = network(overrides)
    exported = export_program(eager).module()
    for rows in (1, 2, 40, 1000):
        batch = batch_of(eager, rows, rows)
        with torch.no_grad():
            found = torch.stack(exported(**keyword_inputs(eager.plan, batch)), dim=1).numpy()
        assert_same(eager, batch, found, scores_of(eager, batch))
    assert [one.shape for one in exported(**keyword_inputs(eager.plan, batch_of(eager, 0, 0)))] == [(0,), (0,)]
    assert_refused_outside(
        eager,
        lambda inputs: exported(**{name: torch.from_numpy(array) for name, array in inputs.items()}),
        lambda name: name.replace(".", "_"),
    )


@pytest.mark.parametrize("architecture", RIVALS)
def test_the_exported_form_gives_what_the_network_gives(architecture: str) -> None:
    eager = network([f"architecture={architecture}", "level.card.unknown=shared"])
    form = copy.deepcopy(eager)
    replace_modules(form, lambda module: exported_leaf_module(module, torch_linears))
    for rows in (0, 1, 100):
        batch = batch_of(eager, rows, rows)
        with torch.no_grad():
            found = np.stack(list(form(batch).probability.values()), axis=1)
        assert_same(eager, batch, found, scores_of(eager, batch))
    assert (np.ptp(found, axis=0) > 1e-3).all(), "every row scored alike"


def test_experts_that_are_larger_are_gathered_for_fewer_rows() -> None:
    """Up to 12,000 parameters an expert: of 4 experts and 2 of a row."""
    widths = ["level.scenario.experts.hidden=[8]", "level.card.experts.hidden=[600]", "tasks.experts.hidden=[600]"]
    model = whole_model(network(["experts.repeat=1", *widths, "experts.count=4"]))
    values = {one.output[0]: helper.get_attribute_value(one.attribute[0]) for one in model.graph.node if one.attribute}
    compared = [one for one in model.graph.node if one.op_type == "LessOrEqual" and one.name.startswith("experts")]
    limits = [int(numpy_helper.to_array(values[one.input[1]])[0]) for one in compared]
    assert [limit > 10 for limit in limits] == [True, False, False], limits


@pytest.mark.parametrize("override", ["tasks.tower_per=leaf", *(["architecture=mmoe"] if SWEEP else [])])
def test_rows_on_no_path_are_not_scored(override: str) -> None:
    """Few of them and many, which take another way."""
    eager = network([override])
    session = onnxruntime.InferenceSession(whole_model(eager).SerializeToString())
    for rows in (1, 1000):
        batch = batch_of(eager, rows, rows)
        batch.node_BL[-1] = torch.tensor([1, 3])  # articles are of the other scenario
        inputs = inputs_of(eager, batch)
        with pytest.raises(Exception, match=r"out of data bounds|split"):
            session.run(None, inputs)


def test_the_description_says_what_the_model_takes(kinds: Run, exported: Path) -> None:
    said = json.loads(exported.with_suffix(".json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(str(exported))
    assert {one["input"] for one in said["features"] + said["levels"]} == {one.name for one in session.get_inputs()}
    assert [one["name"] for one in said["outputs"]] == [one.name for one in session.get_outputs()]
    assert [level["unknown"] for level in said["levels"]] == [UNKNOWN, None]
    assert math.prod(len(level["nodes"]) for level in said["levels"]) >= len(kinds.plan.leaves)


def test_the_scorer_refuses_another_model_than_its_description(
    exported: Path, scorer_class: Any, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(exported.read_bytes() + b"\0")
    (tmp_path / "model.json").write_text(exported.with_suffix(".json").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ValueError, match="is not the model"):
        scorer_class(tmp_path / "model.onnx")


def test_the_scorer_refuses_rows_that_predict_refuses(kinds: Run, exported: Path, scorer_class: Any) -> None:
    scorer, row = scorer_class(exported), table_of(1, 3).to_dicts()[0]
    for wrong in ({"card": "hottest"}, {"card": None}, {"entry": "home", "card": "new"}):
        with pytest.raises(ValueError, match=r"is no node of level\.card"):
            scorer.score([{**row, **wrong}])
        with pytest.raises(AesmError, match=r"E506|E507"):
            predict(kinds, pl.DataFrame([{**row, **wrong}], infer_schema_length=None))


def test_a_program_of_torch_gives_what_the_network_gives(kinds: Run, tmp_path: Path) -> None:
    path = export(kinds, tmp_path / "model.pt2", to="pt2")
    assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["file"] == "model.pt2"
    program = torch.export.load(path).module()
    findings = Findings()
    for rows in (1, 2, 300):
        batch = torch_engine(kinds, torch.device("cpu")).encode(table_of(rows, rows), findings)
        assert batch is not None, findings
        with torch.no_grad():
            found = torch.stack(program(**keyword_inputs(kinds.plan, batch)), dim=1).numpy()
        assert_same(kinds.network, batch, found, scores_of(kinds.network, batch))


def test_mistakes_are_told_before_anything_is_written(kinds: Run, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(AesmError, match=r"E601.*model\.onnx.*\n.*\n.*\n(.*\n)*.*E601.*model\.json"):
        export(kinds, exported)
    with pytest.raises(AesmError, match=r"E630.*is no name of an export"):
        export(kinds, tmp_path / "model.pb")
    with pytest.raises(ValueError, match="not 'tf'"):
        export(kinds, tmp_path / "model.tf", to="tf")
    assert not list(tmp_path.iterdir())


def test_an_export_that_was_interrupted_is_made_whole(kinds: Run, tmp_path: Path) -> None:
    """Without `--overwrite`: what it left is its own. A model without a description may be anybody's."""
    file, replace = tmp_path / "model.pt2", os.replace

    def interrupted(old: Path, new: Path) -> None:
        if new == file:
            raise KeyboardInterrupt
        replace(old, new)

    with patch("aesm_dsl.serving.torch_program.program_bytes", lambda network: b"a program"):
        with patch("os.replace", interrupted), pytest.raises(KeyboardInterrupt):
            export(kinds, file, to="pt2")
        assert [path.name for path in tmp_path.iterdir()] == ["model.json"], "the description comes first"
        export(kinds, file, to="pt2")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.pt2"]
        for left, others in (("model.pt2", "model.json"), ("model.json", "model.pt2")):
            (tmp_path / others).unlink(missing_ok=True)
            (tmp_path / left).write_text("{}", encoding="utf-8")
            with pytest.raises(AesmError, match=rf"E601.*{left}"):
                export(kinds, file, to="pt2")


def test_an_export_that_cannot_be_written_leaves_the_older_one(kinds: Run, tmp_path: Path) -> None:
    file, write = tmp_path / "model.pt2", Path.write_text

    def full(path: Path, text: str, **more: Any) -> int:
        if "model.json" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, text, **more)

    with patch("aesm_dsl.serving.torch_program.program_bytes", lambda network: b"a program"):
        export(kinds, file, to="pt2")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with (
        patch("aesm_dsl.serving.torch_program.program_bytes", lambda network: b"another"),
        patch.object(Path, "write_text", full),
        pytest.raises(OSError, match="No space left on device") as caught,
    ):
        export(kinds, file, to="pt2", overwrite=True)
    assert caught.value.filename == str(tmp_path / "model.json")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
