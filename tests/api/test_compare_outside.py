"""`compare` with models from outside: their rows beside those of the networks, what is kept, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from typer.testing import CliRunner

from aesm_dsl import AesmError, compare
from aesm_dsl.api.compare import Finished
from aesm_dsl.cli.main import app
from aesm_dsl.report.comparison import comparison_tables
from aesm_dsl.training.compare import Comparison
from aesm_dsl.training.metrics.t_test import mean_of_runs
from aesm_dsl.training.outside import boosted_trees, outside_run
from aesm_dsl.training.outside.ahead import ahead_of_networks
from aesm_dsl.training.outside.outside_run import load_outside_run
from tests.training.outside.shop import write_shop

ASKED: dict[str, Any] = {"rivals": ["lightgbm", "logistic"], "seeds": 2, "jobs": 1, "device": "cpu"}


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with patch.object(boosted_trees, "SHAPES", boosted_trees.SHAPES[:1]), patch.object(boosted_trees, "MOST_TREES", 20):
        yield


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def seen() -> list[Finished]:
    return []


@pytest.fixture(scope="module")
def found(spec: Path, seen: list[Finished]) -> Comparison:
    return compare(spec, spec.parent / "out", **ASKED, watch=seen.append)


def test_they_are_rows_beside_the_networks(found: Comparison, seen: list[Finished]) -> None:
    assert [(one.architecture, one.seed) for one in seen] == [
        ("aes", 7),
        ("aes", 8),
        ("logistic", 7),
        ("lightgbm", 7),
        ("lightgbm", 8),
    ]
    assert [(one.done, one.runs) for one in seen] == [(number, 5) for number in range(1, 6)]
    assert list(found.runs) == ["aes"]
    assert found.outside == {"logistic": ("runs/logistic-7",), "lightgbm": ("runs/lightgbm-7", "runs/lightgbm-8")}
    by_name = {one.architecture: one for one in found.contenders}
    for name, folders in found.outside.items():
        runs = [load_outside_run(found.folder / folder) for folder in folders]
        own = [
            float(np.mean([score.auc for score in run.scores if score.leaf == "(all)"]))
            for run in runs
            if run is not None
        ]
        one = by_name[name]
        assert one.auc == mean_of_runs(own)
        assert one.outside
        assert (one.parameters, one.table_parameters, one.flops, one.rows_per_second) == (None, None, None, None)
        assert one.behind is not None
        assert one.behind.value == pytest.approx(by_name["aes"].auc.value - one.auc.value)
    assert not by_name["aes"].outside
    assert by_name["lightgbm"].size.endswith(" trees")
    assert by_name["logistic"].size.endswith(" weights")


def test_differences_are_tested_by_rows(found: Comparison) -> None:
    """So both were measured on the same rows, with the same labels and weights."""
    for one in found.standings:
        if one.architecture != "aes":
            assert one.by_rows is not None
            assert one.behind is not None
            assert one.by_rows.difference == pytest.approx(one.behind.value)
    sizes = {(one.leaf, one.task): {(one.rows, one.positives)} for one in found.standings}
    for one in found.standings:
        sizes[one.leaf, one.task].add((one.rows, one.positives))
    assert all(len(rows) == 1 for rows in sizes.values())


def test_the_file_and_the_tables_say_what_they_are(found: Comparison) -> None:
    assert Comparison.from_json(found.to_json(), found.folder) == found
    written = json.loads((found.folder / "compare.json").read_text(encoding="utf-8"))
    assert written == json.loads(found.to_json())
    leaderboard, by_leaf = comparison_tables(found)
    assert "logistic and lightgbm" in str(leaderboard.caption) or "lightgbm and logistic" in str(leaderboard.caption)
    assert "is ahead of every network here" in str(leaderboard.caption), "the network has learnt for 4 steps"
    assert "`lightgbm`: of `tags` it reads the first value" in str(leaderboard.caption)
    size = {
        str(name): str(cell)
        for name, cell in zip(leaderboard.columns[0].cells, leaderboard.columns[8].cells, strict=True)
    }
    assert size["lightgbm"].endswith(" trees")
    assert by_leaf.row_count == 15


def test_what_is_finished_is_kept(spec: Path, found: Comparison) -> None:
    shutil.rmtree(found.folder / "runs" / "lightgbm-8")
    again: list[Finished] = []
    assert compare(spec, found.folder, **ASKED, watch=again.append) == found
    assert [(one.done, one.runs, one.architecture, one.seed) for one in again] == [(5, 5, "lightgbm", 8)]


def test_an_interrupted_fit_leaves_what_is_finished(spec: Path, found: Comparison, tmp_path: Path) -> None:
    shutil.copytree(found.folder, tmp_path / "out")
    for name in found.outside:
        for path in (tmp_path / "out" / "runs").glob(f"{name}-*"):
            shutil.rmtree(path)

    def interrupted(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    command = ["compare", str(spec), "-o", str(tmp_path / "out"), "--with", "lightgbm,logistic", "--seeds", "2"]
    with patch.dict(outside_run.MODELS, lightgbm=interrupted):
        told = CliRunner().invoke(app, [*command, "--jobs", "1", "--device", "cpu"])
    assert told.exit_code == 130
    last = told.stderr.splitlines()[-1]
    assert last == "interrupted: the same command goes on with the runs that are not finished"
    assert sorted(path.name for path in (tmp_path / "out" / "runs").iterdir()) == ["aes-7", "aes-8", "logistic-7"]
    again: list[Finished] = []
    result = compare(spec, tmp_path / "out", **ASKED, watch=again.append)
    assert [one.architecture for one in again] == ["lightgbm", "lightgbm"]
    assert result.contenders == found.contenders


def test_models_of_another_spec_are_refused(spec: Path, found: Comparison) -> None:
    with pytest.raises(AesmError, match="E601"):
        compare(spec, found.folder, **ASKED, overrides=["train.length=5 steps"])


def test_a_missing_package_is_told_before_anything_is_trained(spec: Path, tmp_path: Path) -> None:
    with patch.dict(sys.modules, lightgbm=None), pytest.raises(AesmError) as told:  # type: ignore[dict-item]
        compare(spec, tmp_path / "out", rivals=["lightgbm"], device="cpu")
    (finding,) = told.value.findings.errors
    assert (finding.code, finding.message) == ("E610", "`lightgbm` needs lightgbm, which cannot be loaded")
    assert '`pip install "aesm-dsl[outside]"`' in finding.help
    assert finding.span is not None
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_none(spec: Path) -> None:
    with pytest.raises(AesmError, match="no architecture `lightgmb`, and no model from outside") as told:
        compare(spec, rivals=["lightgmb"])
    assert "did you mean `lightgbm`?" in str(told.value)


def test_who_is_ahead() -> None:
    overall = {"aes": [0.70, 0.71], "mmoe": [0.72, 0.72], "lightgbm": [0.73, 0.735]}
    by_task = {"click": {"aes": 0.7, "lightgbm": 0.8}, "buy": {"aes": 0.72, "lightgbm": 0.71}}
    (sentence,) = ahead_of_networks(overall, by_task, ["lightgbm"])
    assert sentence == ("`lightgbm` is ahead of every network here: its mean AUC is 0.0125 above `mmoe`'s (p 0.126)")
    overall["mmoe"] = [0.74, 0.74]
    (sentence,) = ahead_of_networks(overall, by_task, ["lightgbm"])
    assert sentence == "`lightgbm` is ahead of every network at `click`: its AUC is 0.1000 above `aes`'s"
    assert not list(ahead_of_networks(overall, {}, []))
