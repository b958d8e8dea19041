"""A search: values out of the spec, trials that are kept, a best spec that is sound."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jsonschema
import pytest
from typer.testing import CliRunner

from aesm_dsl import AesmError, check, load_run, tune
from aesm_dsl.api import tune as tune_module
from aesm_dsl.api.compile import compile_spec
from aesm_dsl.api.tune import Tried, Tuned
from aesm_dsl.cli.main import app, main
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.spec.json_schema import schema
from aesm_dsl.training.run.history import Epoch
from aesm_dsl.training.run.stop_signals import StoppedError
from tests.worlds import clean, fund_world

SPACE = """\
  tune {
    level.card.experts.count = choice(2, 3)
    train.optimizer          = adam(rate: log(1e-3, 3e-2))
    level.card.experts.hidden = [int(4, 9), 8]
    train.batch              = choice(64 rows, 128 rows)
  }
  train {"""
SMALL = [
    "experts.repeat=1",
    "experts.hidden=[8]",
    "level.scenario.experts.count=2",
    "train.length=2 epochs",
    "features.user.user_id=id(buckets: 100, embed: 4)",
    "features.item.fund_id=id(buckets: 50, embed: 4)",
]


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("optuna")
    path = fund_world(tmp_path_factory.mktemp("tune"), 800)
    path.write_text(path.read_text(encoding="utf-8").replace("  train {", SPACE, 1), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def found(spec: Path) -> tuple[Tuned, list[Tried]]:
    seen: list[Tried] = []
    out = spec.parent / "out"
    return tune(spec, out, trials=2, device="cpu", overrides=SMALL, watch=seen.append), seen


def test_the_space_is_no_part_of_the_spec_that_is_trained(spec: Path) -> None:
    clean(check(spec))
    compiled = compile_spec(spec)
    assert "tune" not in compiled.resolved()
    dimensions = {one.path: one for one in compiled.spec.space}
    assert list(dimensions) == [
        "level.card.experts.count",
        "train.optimizer",
        "level.card.experts.hidden",
        "train.batch",
    ]
    assert dimensions["level.card.experts.hidden"].text(["7"]) == "level.card.experts.hidden = [7, 8]"
    assert dimensions["train.optimizer"].text(["2e-3"]) == "train.optimizer = adam(rate: 2e-3)"
    assert dimensions["train.batch"].text(["64 rows"]) == "train.batch = 64 rows"


def test_the_best_of_all_trials_becomes_a_spec(spec: Path, found: tuple[Tuned, list[Tried]]) -> None:
    tuned, seen = found
    assert [(one.number, one.state) for one in seen] == [(1, "complete"), (2, "complete")]
    assert tuned.value == max(one.value for one in seen if one.value is not None)
    assert tuned.settings == next(one.settings for one in seen if one.value == tuned.value)
    assert tuned.spec == spec.with_name("fund_search.best.aesm")
    clean(check(tuned.spec))
    best = compile_spec(spec, overrides=[*SMALL, *tuned.settings])
    assert compile_spec(tuned.spec).plan == best.plan
    number = next(one.number for one in seen if one.value == tuned.value) - 1
    run = load_run(spec.parent / "out" / "runs" / str(number))
    assert max(one.valid_mean_auc or 0 for one in run.history) == tuned.value
    assert run.plan.training == best.plan.training


def test_a_search_goes_on_and_not_with_another_spec(spec: Path, found: tuple[Tuned, list[Tried]]) -> None:
    seen: list[Tried] = []
    again = tune(spec, spec.parent / "out", trials=3, device="cpu", overrides=SMALL, watch=seen.append)
    assert [one.number for one in seen] == [3]
    assert again.trials == 3
    assert again.value >= found[0].value
    with pytest.raises(AesmError, match=r"E610.*holds the search of another spec"):
        tune(spec, spec.parent / "out", trials=3, device="cpu", overrides=[*SMALL, "train.seed=1"])


def test_trials_that_cannot_be_trained_are_told(spec: Path, tmp_path: Path) -> None:
    path = spec.with_name("odd.aesm")
    text = spec.read_text(encoding="utf-8").replace("choice(2, 3)", "choice(1, 3)")
    path.write_text(text.replace("train.batch ", "level.card.experts.specific = choice(2, 3)\n    train.batch "))
    more = [*SMALL, "level.card.experts.shared=0", "train.length=1 steps"]
    seen: list[Tried] = []
    with suppress(AesmError):  # of the last trial, where none could be trained
        tune(path, tmp_path / "out", trials=3, device="cpu", overrides=more, watch=seen.append)
    assert [one.number for one in seen] == [1, 2, 3]
    for one in seen:
        too_many = "level.card.experts.count = 1" in one.settings
        assert (one.state == "fail") == too_many


def test_the_command(spec: Path, found: tuple[Tuned, list[Tried]]) -> None:
    sets = [part for one in SMALL for part in ("--set", one)]
    out = str(spec.parent / "out")
    done = CliRunner().invoke(app, ["tune", str(spec), "-o", out, "--trials", "2", "--device", "cpu", *sets])
    assert done.exit_code == 0, done.output
    assert "mean AUC" in done.stdout
    assert "train.optimizer = adam(rate: " in done.stdout


def test_a_spec_of_others_is_not_replaced(spec: Path, tmp_path: Path) -> None:
    other = tmp_path / "fund_search.aesm"
    other.write_text(spec.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "fund_search.best.aesm").write_text("aesm = 1\n", encoding="utf-8")
    with pytest.raises(AesmError, match=r"E610.*is not by `aesm tune`"):
        tune(other, tmp_path / "out", trials=1)


def test_the_same_search_in_json(spec: Path, tmp_path: Path) -> None:
    space = {
        "level.card.experts.count": "choice(2, 3)",
        "train.optimizer": "adam(rate: log(1e-3, 3e-2))",
        "level.card.experts.hidden": "[int(4, 9), 8]",
        "train.batch": "choice(64 rows, 128 rows)",
    }
    values = json.loads(compile_spec(spec).spec.model_dump_json(by_alias=True))
    path = spec.with_name("fund.json")
    path.write_text(json.dumps({**values, "tune": space}, ensure_ascii=False, indent=1), encoding="utf-8")
    jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), schema())
    ours, theirs = compile_spec(path).spec.space, compile_spec(spec).spec.space
    assert [one.path for one in ours] == [one.path for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert [hole.texts for hole in one.holes] == [hole.texts for hole in other.holes]
        assert one.text(["4"] * len(one.holes)) == other.text(["4"] * len(one.holes))
    tuned = tune(path, tmp_path / "out", trials=1, device="cpu", overrides=[*SMALL, "train.length=2 steps"])
    clean(check(tuned.spec))
    assert tuned.spec.name == "fund.best.aesm"


def test_a_trial_below_the_median_is_stopped_early(spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Optuna's own pruner; how good the trials are is made up."""
    goods, left = iter([(0.7, 0.8), (0.6, 0.9), (0.1, 0.95), (0.75, 0.85)]), []

    def trained(spec: Path, run: Path, **given: Any) -> None:
        run.with_name(f"{run.name}.training").mkdir(parents=True)
        left.append(run)
        for number, good in enumerate(next(goods), 1):
            given["ended"](Epoch(number, number, 0.0, {}, good, {}))

    monkeypatch.setattr(tune_module, "train", trained)
    monkeypatch.setattr(tune_module, "TRIED_FIRST", 1)
    seen: list[Tried] = []
    found = tune(spec, tmp_path / "out", trials=4, device="cpu", overrides=SMALL, watch=seen.append)
    assert [(one.state, one.value) for one in seen] == [
        ("complete", 0.8),
        ("pruned", None),
        ("pruned", None),
        ("complete", 0.85),
    ]
    assert (found.value, found.settings) == (0.85, seen[3].settings)
    assert [one.best for one in seen] == [0.8, 0.8, 0.8, 0.85]
    assert not any(run.with_name(f"{run.name}.training").exists() for run in left)


def made_up(goods: list[float], ends: dict[int, BaseException]) -> Any:
    """Stands for `train`: the n-th training is as good as the n-th number, or ends with an exception."""
    given = iter(range(len(goods) + len(ends)))

    def trained(spec: Path, run: Path, **more: Any) -> None:
        number = next(given)
        if number in ends:
            raise ends[number]
        more["ended"](Epoch(1, 1, 0.0, {}, goods[number], {}))

    return trained


def test_a_trial_that_was_interrupted_counts_for_nothing(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search goes on as it would have gone on: the same settings, in the same order, as many as were asked for."""

    def searched(folder: Path, ends: dict[int, BaseException]) -> list[tuple[int, str, tuple[str, ...]]]:
        seen: list[Tried] = []
        monkeypatch.setattr(tune_module, "train", made_up([0.7] * 10, ends))
        for _ in range(len(ends) + 1):
            with suppress(KeyboardInterrupt, StoppedError):
                found = tune(spec, folder, trials=4, device="cpu", overrides=SMALL, watch=seen.append)
        assert found.trials == 4
        assert "# The best of 4 trials" in found.spec.read_text(encoding="utf-8")
        return [(one.number, one.state, one.settings) for one in seen]

    undisturbed = searched(tmp_path / "whole", {})
    assert len({settings for _, _, settings in undisturbed}) == 4
    assert searched(tmp_path / "stopped", {1: KeyboardInterrupt(), 2: StoppedError(1, 2)}) == undisturbed


def test_what_every_trial_needs_stops_the_search(spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Findings()
    full.add("E613", "the disk is full")
    monkeypatch.setattr(tune_module, "train", made_up([0.7, 0.7], {1: AesmError(full)}))
    seen: list[Tried] = []
    with pytest.raises(AesmError, match="E613"):
        tune(spec, tmp_path, trials=3, device="cpu", overrides=SMALL, watch=seen.append)
    assert len(seen) == 1


def test_a_database_that_cannot_be_read_is_told(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.db").write_bytes(b"no database, but long enough to be looked at as one" * 100)
    command = ["aesm", "tune", str(spec), "-o", str(tmp_path), "--trials", "1", "--device", "cpu"]
    with patch.object(sys, "argv", command), pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == f"error: {tmp_path / 'study.db'}: file is not a database\n"


def test_a_search_begun_anew_leaves_nothing_of_the_one_before(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even its journal: SQLite would apply it to the new database. Files of the user's own stay."""
    monkeypatch.setattr(tune_module, "train", made_up([0.7] * 3, {}))
    tune(spec, tmp_path, trials=2, device="cpu", overrides=SMALL)
    for name in ("study.db-journal", "notes.txt", "runs/1/run.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("of before", encoding="utf-8")
    assert tune(spec, tmp_path, trials=1, device="cpu", overrides=SMALL, overwrite=True).trials == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "study.db"]


def test_a_stop_is_one_line(spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune_module, "train", made_up([], {0: StoppedError(3, 10)}))
    sets = [part for one in SMALL for part in ("--set", one)]
    done = CliRunner().invoke(app, ["tune", str(spec), "-o", str(tmp_path), "--device", "cpu", *sets])
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1].startswith("stopped after step 3 of 10 of a trial: the same command")
