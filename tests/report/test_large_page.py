"""The page of a run with a thousand leaves stays small, and every leaf can be found on it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from aesm_dsl.report.page import MOST_DRAWN, report_page
from aesm_dsl.training.metrics.calibration import Bin, Calibration
from aesm_dsl.training.metrics.scores import ALL, Score
from aesm_dsl.training.run.folder import Run
from aesm_dsl.training.sharing.layer_usage import Flow, LayerUsage
from aesm_dsl.training.sharing.usage import Usage
from tests.report.test_page import BROWSER, PROFILE, made_run

LEAVES = 1000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with an entry level of a thousand nodes, each of them a leaf of its own."""
    run = made_run(tmp_path_factory.mktemp("large"))
    names = tuple(f"页{at}" for at in range(LEAVES))
    node = run.plan.levels[0].nodes[0]
    entry = replace(run.plan.levels[0], nodes=tuple(replace(node, name=name, label=f"入口 {name}") for name in names))
    weight = tuple(tuple(1 / 64 for _ in range(64)) for _ in names)
    layer = LayerUsage("entry", 0, names, tuple(range(LEAVES)), weight, weight, weight)
    tasks = tuple(layer for layer in run.usage.layers if layer.level == "tasks")
    flow = Flow("entry", "tasks", tuple(tuple(1 / 64 / 4 for _ in range(4)) for _ in range(64)))
    places = [(leaf, task.name) for leaf in (*names, ALL) for task in run.plan.tasks.tasks]
    users = {"gauc": 0.61, "gauc_low": 0.6, "gauc_high": 0.62, "users": 17}
    scores = [
        Score(leaf, task, 50_000 - at, 50, 0.1, 0.7, 0.65, 0.75, 0.3, 0.5 + at / 5000, 1.0, 0.1, **users)  # type: ignore[arg-type]
        for at, (leaf, task) in enumerate(places)
    ]
    bins = (Bin(250, 0.05, 0.04),) * 10
    profile = {
        **PROFILE,
        "levels": [{"level": "entry", "nodes": [{"node": n, "rows": 1, "missing": {}} for n in names]}],
    }
    return replace(
        run,
        plan=replace(run.plan, levels=(entry,)),
        scores=tuple(scores),
        calibration=tuple(Calibration(leaf, task, bins) for leaf, task in places),
        usage=Usage((layer, *tasks), (flow,)),
        history=(),
        profile=profile,
    )


@pytest.fixture(scope="module")
def text(large: Run) -> str:
    return report_page(large)


def test_a_thousand_leaves_make_a_small_page_with_all_of_them(large: Run, text: str) -> None:
    assert len(text.encode()) < 10_000_000
    listed = re.search(r'<details id="every-leaf">.*?</details>', text, re.DOTALL)
    assert listed is not None
    assert listed.group().count("<tr>") == 1 + LEAVES * len(large.plan.tasks.tasks)
    for at in (0, 500, LEAVES - 1):
        assert f"入口 页{at}<" in listed.group()
    assert 'id="leaf-search"' in text
    assert f"the {MOST_DRAWN} nodes with the most rows are drawn" in text
    assert text.count(">17</td>") > 80, "users beside GAUC"


def test_a_small_page_has_no_search(tmp_path: Path) -> None:
    assert 'id="leaf-search"' not in report_page(made_run(tmp_path))


PROBE = """<script>
const box = document.getElementById("leaf-search");
box.value = "页77 {task}";
box.dispatchEvent(new Event("input"));
const seen = [...document.querySelectorAll("#every-leaf tbody tr")].filter((line) => !line.hidden).length;
document.documentElement.dataset.found = `${seen} ${document.getElementById("leaf-count").textContent}`;
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium; `apt-get install chromium` brings one")
def test_the_search_finds_a_leaf(large: Run, text: str, tmp_path: Path) -> None:
    path, task = tmp_path / "report.html", large.plan.tasks.tasks[0].label
    path.write_text(text.replace("</body>", PROBE.replace("{task}", task) + "</body>"), encoding="utf-8")
    command = [str(shutil.which(str(BROWSER))), "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path / 'browser'}", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert 'data-found="11 11 of 2000 lines"' in done.stdout
