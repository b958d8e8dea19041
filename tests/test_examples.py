"""Every example runs, from the project's folder, as its docstring says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

ELSEWHERE = {"score_onnx", "score_pt2", "convert"}
"""Need an exported model, or raw files: the tests of tests/serving/ and tests/test_datasets.py run them."""

EXAMPLES = sorted(path for path in (PROJECT / "examples").glob("*.py") if path.stem not in ELSEWHERE)

ARGUMENTS = {
    "build_network": [],
    "train_fund_search": ["{folder}", "3000"],
    "own_table": ["{folder}"],
    "own_loop": ["{folder}", "30"],
}
"""What each is given here, so that it writes into the test's folder and is done soon."""

SEEN = {
    "build_network": ["Network fund_search", "purchase", "tasks: row 2 runs experts"],
    "train_fund_search": ["click: AUC 0.", "purchase: AUC 0.", "fund_product", "sharing.svg"],
    "own_loop": [
        "loss after 30 steps: ",
        "sharing.svg",
        "of your own: 0.",
        "no run folder: the network is not that of",
    ],
    "own_table": ["line 16: no task called `clik`; did you mean `click`?", "not trained: 1 error", "related", "order"],
}


def test_the_examples_are_found() -> None:
    assert {path.stem for path in EXAMPLES} == set(ARGUMENTS) == set(SEEN)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path, tmp_path: Path) -> None:
    arguments = [one.format(folder=tmp_path) for one in ARGUMENTS[path.stem]]
    command = [sys.executable, str(path), *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for words in SEEN[path.stem]:
        assert words in done.stdout


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    """Its cells as one program, in a folder of its own."""
    notebook = json.loads((PROJECT / "examples" / "fund_search.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell.get("outputs") for cell in notebook["cells"]), "outputs grow old: keep it without"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", "\n".join(cells)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "numbers are carried over" in done.stdout
    assert (tmp_path / "fund" / "sharing.svg").is_file()
