"""Exported = eager: the ONNX model against the network, and the reference scorer against `predict`."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
import torch
from torch import nn

from aesm_dsl import AesmError, build_from_spec, export, predict, train
from aesm_dsl.cli.main import app
from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.layers.network import Network
from aesm_dsl.plan import UNKNOWN
from aesm_dsl.serving.expert_nodes import DOMAIN
from aesm_dsl.serving.onnx_file import OPSET, named_inputs, onnx_model
from aesm_dsl.training.run import Run
from tests.conftest import PROJECT
from tests.worlds import fund_world

SMALL = [
    "experts.repeat=1",
    "features.user.user_id=id(buckets: 100, embed: 4)",
    "features.item.fund_id=id(buckets: 50, embed: 4)",
]

VARIANTS = {
    "unknown nodes, siblings": [
        "level.scenario.unknown=shared",
        "level.card.unknown=shared",
        "level.card.experts.compare=siblings",
    ],
    "batch norm, relu, a budget, two layers": [
        "experts.repeat=2",
        "experts.norm=batch",
        "experts.activation=relu",
        "tasks.budget=3 experts",
    ],
    "no norm, all experts": ["experts.norm=none", "experts.specific=4", "experts.shared=4"],
}


def network(overrides: Sequence[str]) -> Network:
    """With gates that differ, and statistics of batch norm that are not those it starts with."""
    made = build_from_spec(PROJECT / "specs" / "fund_search.aesm", overrides=[*SMALL, *overrides])
    assert isinstance(made, Network)
    chance = torch.Generator().manual_seed(5)
    for name, one in made.named_parameters():
        if ".gate." in name:
            nn.init.normal_(one, std=0.5, generator=chance)
    for name, buffer in made.named_buffers():
        if name.endswith(("mean_EH", "variance_EH")):
            low, high = (0.2, 0.8) if name.endswith("variance_EH") else (-0.3, 0.3)
            nn.init.uniform_(buffer, low, high, generator=chance)
    return made.eval()


def batch_of(network: AnyNetwork, rows: int, seed: int) -> Batch:
    plan, chance = network.plan, torch.Generator().manual_seed(seed)
    ids = [torch.randint(0, one.rows, (rows, 1), generator=chance) for one in plan.features]
    leaves = torch.tensor(plan.leaves)
    node_BL = leaves[torch.randint(0, len(leaves), (rows,), generator=chance)]
    hidden_BL = torch.rand(node_BL.shape, generator=chance) < 0.2
    unknown_L = torch.tensor([level.unknown for level in plan.levels])
    node_BL = torch.where(hidden_BL & unknown_L, UNKNOWN, node_BL)
    labels = torch.zeros(rows, len(plan.tasks.tasks))
    return Batch(torch.cat(ids, dim=1), torch.zeros(rows, 0), node_BL, labels, torch.ones(rows))


def inputs_of(network: AnyNetwork, batch: Batch) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in named_inputs(network.plan, batch).items()}


@pytest.mark.parametrize("overrides", VARIANTS.values(), ids=VARIANTS)
def test_the_model_gives_what_the_network_gives(overrides: list[str]) -> None:
    eager = network(overrides)
    before = {name: one.clone() for name, one in eager.state_dict().items()}
    model = onnx_model(eager)
    assert all(torch.equal(one, before[name]) for name, one in eager.state_dict().items()), "it changed the network"
    onnx.checker.check_model(model, full_check=True)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", OPSET)]
    assert all(node.domain != DOMAIN for node in model.graph.node)
    ways = [one for one in model.graph.node if one.op_type == "If"]
    assert len(ways) == sum(len(level.layers) for level in eager.plan.levels) + len(eager.plan.tasks.layers)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert [one.name for one in session.get_outputs()] == ["click", "purchase"]
    for rows in (1, 2, 7, 40, 1000):
        batch = batch_of(eager, rows, rows)
        with torch.no_grad():
            wanted = [value.exp().numpy() for value in eager(batch).log_probability.values()]
        found = session.run(None, inputs_of(eager, batch))
        for given, expected in zip(found, wanted, strict=True):
            np.testing.assert_allclose(given, expected, atol=1e-5, rtol=0)
            assert rows <= 2 or np.ptp(given) > 1e-3, "every row scored alike"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fund_world(tmp_path_factory.mktemp("world"), 3000).parent


@pytest.fixture(scope="module")
def run(world: Path) -> Run:
    # Gates that have moved away from each other: of two experts that are equal but for rounding either may be taken.
    kinds = [
        "features.user.age=number(scale: log)",
        "features.query.hour=date(parts: [hour, weekday], zone: 'Asia/Shanghai')".replace("'", '"'),
        'features.item.fund_type=list(of: category(), most: 2, separator: "i")',
        "features.item.yield_1y=cross(of: [hour, fund_id, user_id], buckets: 30)",
    ]
    lenient = ["level.scenario.unknown=shared", "train.length=20 steps", "train.optimizer=adam(rate: 3e-2)"]
    return train(world / "fund_search.aesm", world / "run", device="cpu", overrides=[*SMALL, *kinds, *lenient])


@pytest.fixture(scope="module")
def exported(run: Run, world: Path) -> Path:
    return export(run, world / "model.onnx")


def awkward(table: pl.DataFrame) -> pl.DataFrame:
    """Missing and unseen values, and a node that the model does not know, among rows as they come."""
    row = pl.int_range(pl.len())
    cells = [
        pl.when(row % 7 == place % 7).then(None).otherwise(pl.col(name)).alias(name)
        for place, name in enumerate(column for column in table.columns if column not in ("entry", "card"))
    ]
    return table.with_columns(
        *cells, pl.when(row == 3).then(pl.lit("popup")).when(row == 4).then(None).otherwise("entry").alias("entry")
    )


def test_the_reference_scorer_needs_no_torch_and_gives_what_predict_gives(
    run: Run, world: Path, exported: Path, tmp_path: Path
) -> None:
    table = awkward(pl.read_parquet(world / "test.parquet").head(200).drop("is_click", "is_buy"))
    rows = tmp_path / "rows.jsonl"
    table.write_ndjson(rows)
    code = "import runpy, sys; sys.modules['torch'] = sys.modules['polars'] = sys.modules['aesm_dsl'] = None; "
    code += "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", code, str(PROJECT / "examples" / "score_onnx.py"), str(exported), str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores = pl.DataFrame([json.loads(line) for line in done.stdout.splitlines()])
    expected = predict(run, table, device="cpu")
    assert scores.columns == expected.columns
    np.testing.assert_allclose(scores.to_numpy(), expected.to_numpy(), atol=1e-5, rtol=0)


def test_the_description_says_what_the_model_takes(run: Run, exported: Path) -> None:
    said = json.loads(exported.with_suffix(".json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(str(exported))
    assert {one["input"] for one in said["features"] + said["levels"]} == {one.name for one in session.get_inputs()}
    assert [one["name"] for one in said["outputs"]] == [one.name for one in session.get_outputs()]
    assert [level["unknown"] for level in said["levels"]] == [UNKNOWN, None]
    assert math.prod(len(level["nodes"]) for level in said["levels"]) >= len(run.plan.leaves)


def test_the_scorer_refuses_another_model_than_its_description(exported: Path, tmp_path: Path) -> None:
    sys.path.insert(0, str(PROJECT / "examples"))
    try:
        from score_onnx import Scorer  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    (tmp_path / "model.onnx").write_bytes(exported.read_bytes() + b"\0")
    (tmp_path / "model.json").write_text(exported.with_suffix(".json").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ValueError, match="is not the model"):
        Scorer(tmp_path / "model.onnx")


def test_mistakes_are_told_before_anything_is_written(run: Run, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(AesmError, match=r"E601.*model\.onnx.*\n.*\n.*\n(.*\n)*.*E601.*model\.json"):
        export(run, exported)
    with pytest.raises(AesmError, match=r"E630.*is no name of an export"):
        export(run, tmp_path / "model.pb")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("override", ["architecture=mmoe", "tasks.tower_per=leaf"])
def test_networks_that_sort_rows_by_leaf_are_refused(world: Path, tmp_path: Path, override: str) -> None:
    steps = [*SMALL, "train.length=1 steps", override]
    made = train(world / "fund_search.aesm", tmp_path / "run", device="cpu", overrides=steps)
    with pytest.raises(AesmError, match=r"E630.*cannot be exported"):
        export(made, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_from_the_command_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app(["export", str(run.folder), "-o", str(tmp_path / "served.onnx")], standalone_mode=False)
    written = capsys.readouterr().out.split()
    assert [Path(path).name for path in written] == ["served.onnx", "served.json"]
    assert all(Path(path).stat().st_size > 1000 for path in written)
