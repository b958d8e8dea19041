"""All rows together have a name that no node, level or task can have, wherever they are shown or kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aesm_dsl import compare, evaluate, train
from aesm_dsl.api.compile import compile_spec
from aesm_dsl.plan.cost import cost
from aesm_dsl.report.metrics_table import metrics_table
from aesm_dsl.report.page import report_page
from aesm_dsl.report.tables import cost_data
from aesm_dsl.training.compare import Comparison
from aesm_dsl.training.metrics.scores import ALL
from aesm_dsl.training.run.folder import Run
from tests.worlds import write

TABS = """\
aesm = 1

model tabs {
  embed = 4
  features user { age = number(quantiles: 4) }
  level tab { node all; node search }
  experts { count = 4; hidden = [4]; repeat = 1 }
  tasks { task all; task click }
  train { length = 2 epochs; batch = 64 rows; stop = early(patience: 1, on: log_loss) }
  data { train = "rows.parquet"; valid = split(random: 20%); test = split(random: 30%) }
}
"""


def rows(count: int = 600) -> pl.DataFrame:
    draw = np.random.default_rng(5)
    tab = np.where(np.arange(count) % 3 == 0, "all", "search")
    age = draw.normal(size=count)
    click = (draw.random(count) < 1 / (1 + np.exp(-age))).astype(np.int64)
    return pl.DataFrame({"age": age, "tab": tab, "all": click, "click": 1 - click})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tabs")
    rows().write_parquet(folder / "rows.parquet")
    return train(write(folder, TABS), folder / "run", device="cpu")


def counted(frame: pl.DataFrame, task: str = "click") -> dict[str, int]:
    return {row["leaf"]: row["rows"] for row in frame.to_dicts() if row["task"] == task}


@pytest.mark.parametrize("streamed", [False, True])
def test_a_node_called_all_keeps_its_own_figures(run: Run, streamed: bool) -> None:
    found = evaluate(run, rows(), streamed=streamed)
    for task in ("all", "click"):
        assert counted(found, task) == {"all": 200, "search": 400, ALL: 600}
    auc = {row["leaf"]: row["auc"] for row in found.to_dicts() if row["task"] == "click"}
    own = evaluate(run, rows().filter(pl.col("tab") == "all"), streamed=streamed)
    assert own.filter(pl.col("leaf") == "all", pl.col("task") == "click")["auc"].item() == auc["all"] != auc[ALL]


def test_every_form_tells_the_node_from_all_rows(run: Run) -> None:
    leaves = ["all", "all", "search", "search", ALL, ALL]
    assert [entry["leaf"] for entry in json.loads((run.folder / "metrics.json").read_text())] == leaves
    assert [entry["leaf"] for entry in json.loads((run.folder / "calibration.json").read_text())] == leaves
    (names, *_) = (list(column.cells) for column in metrics_table(run.metrics, "", "run").columns)
    assert [name for name in names if name] == ["all", "search", ALL]
    page = report_page(run)
    assert page.count('rowspan="2">all rows</th>') == 1
    assert page.count('rowspan="2">all</th>') == 1


def test_a_comparison_tells_them_apart(run: Run) -> None:
    spec = run.folder.parent / "spec.aesm"
    found = compare(spec, run.folder.parent / "compare", rivals=["single"], seeds=1, jobs=1, device="cpu")
    assert {standing.leaf for standing in found.standings} == {"all", "search", ALL}
    assert {swing.leaf for swing in found.seesaw} == {"all", "search"}
    data = found.to_data()
    for standing in data["standings"]:
        standing["leaf"] = {ALL: "all", "all": "other"}.get(standing["leaf"], standing["leaf"])
    old = Comparison.from_json(json.dumps(data), found.folder)
    assert {standing.leaf for standing in old.standings} == {"other", "search", ALL}


def test_levels_called_like_parts_of_a_network_keep_their_costs(tmp_path: Path) -> None:
    text = TABS.replace(
        "level tab { node all; node search }", "level all { node a; node b }\n  level towers { under = all; node c }"
    )
    plan = compile_spec(write(tmp_path, text)).plan
    found, expected = cost_data(cost(plan)), cost(plan)
    assert {name: found[name]["parameters"] for name in ("all", "towers")} == {
        name: expected.levels[name].parameters for name in ("all", "towers")
    }
    assert found["(all)"]["parameters"] == expected.total.parameters
    assert found["(towers)"]["parameters"] == expected.towers.parameters
