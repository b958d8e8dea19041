"""The commands about networks, as typed: simulate, compile, train, evaluate, predict, visualize."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from rich.cells import cell_len

from aesm_dsl import Spec
from aesm_dsl.cli.main import main
from aesm_dsl.plan.plan import Plan

SMALL = (
    "--set=train.length=2 epochs",
    "--set=train.batch=256 rows",
    "--set=experts.repeat=1",
    "--set=features.user.user_id=id(buckets: 100, embed: 4)",
    "--set=features.item.fund_id=id(buckets: 50, embed: 4)",
)


class Seen(NamedTuple):
    code: int
    out: str
    err: str


Aesm = Callable[..., Seen]


@pytest.fixture
def aesm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Aesm:
    """Types a command and gives its exit code and what was seen."""

    def type_(*words: str | Path) -> Seen:
        monkeypatch.setattr(sys, "argv", ["aesm", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert isinstance(code, int | None)
        return Seen(code or 0, *capsys.readouterr())

    return type_


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def world(aesm: Aesm, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The simulated world, made by the command on first use."""
    monkeypatch.chdir(home)
    if not (home / "world").exists():
        done = aesm("simulate", "-o", "world", "--rows", "3k", "--seed", "3")
        assert done.code == 0
        assert done.out == ""
        assert "wrote world/train.parquet, world/test.parquet" in done.err
        assert "the best AUC any model can reach on the test rows: click 0." in done.err
    return home / "world"


@pytest.fixture
def run(aesm: Aesm, world: Path) -> Path:
    """The run folder, made by the command on first use."""
    if not (world.parent / "run").exists():
        done = aesm("train", world / "fund_search.aesm", "-o", "run", *SMALL)
        assert done.code == 0
        assert "基金搜索 (fund_search): test rows" in done.out
        assert "wealth > theme" in done.out
        assert done.err.endswith("wrote run\n")
    return world.parent / "run"


def test_a_world_is_not_overwritten_unasked(aesm: Aesm, world: Path) -> None:
    before = (world / "train.parquet").read_bytes()
    done = aesm("simulate", "-o", world, "--rows", "3k")
    assert done.code == 1
    assert "error[E601]" in done.err
    assert "`--overwrite`" in done.err
    assert (world / "train.parquet").read_bytes() == before
    assert aesm("simulate", "-o", world, "--rows", "3k", "--seed", "3", "--overwrite").code == 0
    assert (world / "train.parquet").read_bytes() == before, "the same seed gives the same rows"


@pytest.mark.parametrize("rows", ["many", "5", "-3k", ""])
def test_rows_that_are_no_number_are_wrong_usage(aesm: Aesm, tmp_path: Path, rows: str) -> None:
    done = aesm("simulate", "-o", tmp_path / "world", f"--rows={rows}")
    assert done.code == 2
    assert "--rows" in done.err
    assert not (tmp_path / "world").exists()


def test_compile_prints_the_layers_and_writes_three_files(aesm: Aesm, world: Path, tmp_path: Path) -> None:
    done = aesm("compile", world / "fund_search.aesm", "-o", tmp_path / "plan")
    assert done.code == 0
    for words in ("scenario", "card", "tasks", "towers", "parameters", "FLOPs selected", "2+2"):
        assert words in done.out
    assert sorted(path.name for path in (tmp_path / "plan").iterdir()) == ["hierarchy.json", "plan.json", "spec.aesm"]
    plan = Plan.from_json((tmp_path / "plan" / "plan.json").read_text(encoding="utf-8"))
    assert [level.name for level in plan.levels] == ["scenario", "card"]
    hierarchy = json.loads((tmp_path / "plan" / "hierarchy.json").read_text(encoding="utf-8"))
    assert "search -> hot_funds -> click -> purchase" in hierarchy["paths"]
    again = aesm("compile", tmp_path / "plan" / "spec.aesm", "--format", "json")
    assert json.loads(again.out)["levels"]["(all)"]["parameters"] > 0
    assert [table["width"] for table in json.loads(again.out)["tables"]] == [8, 16]
    resolved = Spec.parse((tmp_path / "plan" / "spec.aesm").read_text(encoding="utf-8"))
    assert "auto" not in {resolved.tasks.experts.count, resolved.tasks.experts.specific}


def test_compile_and_train_print_a_baselines_size_beside_that_of_aes(aesm: Aesm, world: Path, tmp_path: Path) -> None:
    spec = world / "fund_search.aesm"
    done = aesm("compile", spec, "--arch", "mmoe", "--set", "baseline.match=flops")
    assert done.code == 0
    for words in ("fund_search), mmoe", "experts", "gates", "towers", "AES"):
        assert words in done.out
    size = json.loads(aesm("compile", spec, "--arch", "star", "--format", "json").out)["size"]
    assert size["match"] == "parameters"
    assert abs(size["parameters"] / size["aes_parameters"] - 1) < 0.05
    done = aesm("train", spec, "--arch", "star", "-o", tmp_path / "run", *SMALL, "--set=train.length=2 steps")
    assert done.code == 0
    assert "star: " in done.out
    assert " parameters (AES " in done.out
    assert " FLOPs per row (AES " in done.out
    picture = aesm("visualize", tmp_path / "run")
    assert picture.code == 1
    assert "error[E606]: a run of `star` has no learnt selection" in picture.err
    assert aesm("train", spec, "--arch", "stars").code == 2


@pytest.mark.parametrize("arch", ["aes", "mmoe"])
def test_compile_says_which_rows_of_the_tables_a_step_moves(aesm: Aesm, world: Path, arch: str) -> None:
    """`auto` looks at the rows of a table for every id that a batch looks up in it."""
    spec = world / "fund_search.aesm"
    few = [f"--set=features.user.{name}=category(limit: 20, embed: 8)" for name in ("city", "risk")]
    few += ["--set=features.item.fund_type=category(limit: 20, embed: 8)"]
    few += ["--set=features.item.fund_risk=category(limit: 20, embed: 8)"]
    few += ["--set=features.query.hour=category(limit: 24, embed: 8)"]
    for batch, embeddings, words in (
        (1024, "auto", "A step moves all rows of the tables."),
        (64, "auto", "Of the tables of width 16 a step moves only the rows that its batch looks up if they become"),
        (64, "dense", "A step moves all rows of the tables."),
        (64, "sparse(from: 1000)", "A step moves all rows of the tables."),
        (1024, "sparse", "Of the tables a step moves only the rows that its batch looks up."),
    ):
        settings = (f"--set=train.batch={batch} rows", f"--set=train.embeddings={embeddings}", *few)
        done = aesm("compile", spec, "--arch", arch, *settings)
        assert words in " ".join(done.out.split())
    decay = aesm("compile", spec, "--set=train.batch=64 rows", "--set=train.optimizer=adamw()")
    assert "A step moves all rows of the tables." in " ".join(decay.out.split())


def test_compile_warns(aesm: Aesm, world: Path) -> None:
    spec = world / "fund_search.aesm"
    least = [f"--set={level}.experts.count=1" for level in ("level.scenario", "level.card", "tasks")]
    least += [
        "--set=experts.specific=1",
        "--set=experts.shared=1",
        "--set=tasks.tower=[512, 512]",
        "--set=tasks.tower_per=task",
    ]
    done = aesm("compile", spec, "--arch", "single", *least)
    assert done.code == 0
    assert "warning[W109]: `single` cannot be made as large as the AES model" in done.err
    assert "AES" in done.out


def test_compile_tells_a_mistake_and_writes_nothing(aesm: Aesm, world: Path, tmp_path: Path) -> None:
    done = aesm("compile", world / "fund_search.aesm", "-o", tmp_path / "plan", "--set=level.card.experts.specific=99")
    assert done.code == 1
    assert done.out == ""
    assert "error[E408]" in done.err
    assert "--> --set:1:" in done.err
    assert not (tmp_path / "plan").exists()


def test_train_as_json(aesm: Aesm, world: Path, tmp_path: Path) -> None:
    done = aesm("train", world / "fund_search.aesm", "-o", tmp_path / "run", "--format", "json", *SMALL)
    assert done.code == 0
    found = json.loads(done.out)
    assert found["run"] == str(tmp_path / "run")
    assert found["rows"] == {"train": 2200, "valid": 200, "test": 600}
    assert {row["leaf"] for row in found["metrics"]} >= {"(all)", "search > article"}
    assert len(found["metrics"]) == 16


def test_runs_are_numbered_when_nobody_names_them(aesm: Aesm, world: Path, tmp_path: Path) -> None:
    spec = world / "fund_search.aesm"
    for folder in ("runs/fund_search", "runs/fund_search-2"):
        done = aesm("train", spec, *SMALL, "--set=train.length=2 steps")
        assert done.err.endswith(f"wrote {folder}\n")
        assert (Path.cwd() / folder / "run.json").is_file()


def test_train_refuses_a_folder_that_is_there(aesm: Aesm, run: Path, world: Path) -> None:
    before = sorted((path.name, path.read_bytes()) for path in run.rglob("*") if path.is_file())
    done = aesm("train", world / "fund_search.aesm", "-o", run, *SMALL)
    assert done.code == 1
    assert "error[E601]" in done.err
    assert sorted((path.name, path.read_bytes()) for path in run.rglob("*") if path.is_file()) == before


def test_train_names_the_table_that_is_missing(aesm: Aesm, world: Path, tmp_path: Path) -> None:
    spec = tmp_path / "alone.aesm"
    spec.write_text((world / "fund_search.aesm").read_text(encoding="utf-8"), encoding="utf-8")
    done = aesm("train", spec, "-o", tmp_path / "run")
    assert done.code == 1
    assert "error[E501]" in done.err
    assert "train.parquet" in done.err
    assert f"--> {spec}:" in done.err
    assert "Traceback" not in done.err


def test_evaluate_prints_the_table_of_the_training_again(aesm: Aesm, run: Path, world: Path) -> None:
    stored = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    found = json.loads(aesm("evaluate", run, "--format", "json").out)
    assert [(row["leaf"], row["task"], row["auc"]) for row in found] == [
        (row["leaf"], row["task"], row["auc"]) for row in stored
    ]
    other = aesm("evaluate", run, "--data", world / "train.parquet")
    assert other.code == 0
    assert "train.parquet" in other.out
    assert "2,400" in other.out


def test_evaluate_tells_what_is_wrong_with_a_table(aesm: Aesm, run: Path, world: Path, tmp_path: Path) -> None:
    pl.read_parquet(world / "test.parquet").drop("fee", "is_buy").write_parquet(tmp_path / "less.parquet")
    done = aesm("evaluate", run, "--data", tmp_path / "less.parquet")
    assert done.code == 1
    assert done.err.count("error[E503]") == 2
    assert "`fee`" in done.err
    assert "`is_buy`" in done.err


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_predict_writes_a_probability_per_task_and_row(
    aesm: Aesm, run: Path, world: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / "deep" / f"scores.{ending}"
    done = aesm("predict", run, world / "test.parquet", "-o", out)
    assert done.code == 0
    assert done.err == f"wrote {out}: 600 rows\n"
    found = pl.read_parquet(out) if ending == "parquet" else pl.read_csv(out)
    assert found.columns == ["click", "purchase"]
    assert found.height == 600
    assert found.select(pl.all().is_between(0, 1).all()).row(0) == (True, True)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_predict_names_its_endings(aesm: Aesm, run: Path, world: Path, tmp_path: Path) -> None:
    done = aesm("predict", run, world / "test.parquet", "-o", tmp_path / "scores.xlsx")
    assert done.code == 1
    assert "error[E631]" in done.err
    assert ".parquet" in done.err


def test_visualize_draws_a_spec_and_a_run(aesm: Aesm, run: Path, world: Path, tmp_path: Path) -> None:
    done = aesm("visualize", world / "fund_search.aesm", "-o", tmp_path / "structure.svg")
    assert (done.code, done.err) == (0, f"wrote {tmp_path / 'structure.svg'}\n")
    assert "基金产品" in (tmp_path / "structure.svg").read_text(encoding="utf-8")
    assert aesm("visualize", run).err == f"wrote {run / 'sharing.svg'}\n"
    assert "基金产品" in (run / "sharing.svg").read_text(encoding="utf-8")
    assert aesm("evaluate", run).code == 0, "a picture in a run's folder does no harm"
    done = aesm("visualize", run, "-o", tmp_path / "sharing.bmp")
    assert done.code == 1
    assert "error[E605]" in done.err
    done = aesm("visualize", tmp_path / "nothing.aesm")
    assert done.code == 1
    assert "error[E110]" in done.err


def test_what_is_no_run_is_told(aesm: Aesm, world: Path) -> None:
    for command in (["evaluate", world], ["predict", world, world / "test.parquet", "-o", "scores.csv"]):
        done = aesm(*command)
        assert done.code == 1
        assert "error[E602]" in done.err
        assert "`aesm train SPEC -o RUN` makes one" in done.err


def test_every_command_has_help_worth_reading(aesm: Aesm) -> None:
    listed = aesm("--help")
    assert listed.code == 0
    for command in ("check", "fmt", "show", "compile", "simulate", "train", "evaluate", "predict", "visualize"):
        assert command in listed.out
        shown = aesm(command, "--help")
        assert shown.code == 0
        assert "Usage:" in shown.out
        assert len(shown.out.splitlines()) > 8
    assert aesm("tain", "x").code == 2
    assert aesm("train").code == 2


def test_experts_tells_what_nodes_use_on_any_table(aesm: Aesm, run: Path, world: Path) -> None:
    done = aesm("experts", run)
    assert done.code == 0
    for words in ("基金搜索 (fund_search): test rows", "scenario", "card", "tasks", "in use", "evenness"):
        assert words in done.out
    found = json.loads(aesm("experts", run, "--data", world / "train.parquet", "--format", "json").out)
    assert [layer["level"] for layer in found] == ["scenario", "card", "tasks"]
    rows = pl.read_parquet(world / "train.parquet").height
    assert [sum(layer["rows"]) for layer in found] == [rows, rows, 2 * rows]
    assert all(len(layer["experts"]) == len(layer["weight"][0]) for layer in found)


def test_simulate_the_groups(aesm: Aesm, tmp_path: Path) -> None:
    seen = aesm("simulate", "--world", "groups", "-o", tmp_path / "w", "--rows", "2k", "--seed", "3")
    assert seen.code == 0
    assert "best AUC any model can reach on the test rows: hit 0." in seen.err
    assert pl.read_parquet(tmp_path / "w" / "train.parquet").height == 1600
    found = aesm("train", tmp_path / "w" / "groups.aesm", "-o", tmp_path / "run", "--set=train.length=2 steps")
    assert "s8" in found.out


def test_compare(aesm: Aesm, tmp_path: Path) -> None:
    assert aesm("simulate", "--world", "groups", "-o", tmp_path / "w", "--rows", "2k").code == 0
    words = ("compare", tmp_path / "w" / "groups.aesm", "-o", tmp_path / "out", "--with", "single", "--seeds", "2")
    quick = ("--jobs", "1", "--device", "cpu", "--set=train.length=2 steps", "--set=experts.repeat=1")
    seen = aesm(*words, *quick)
    assert seen.code == 0
    assert "4 of 4: single, seed 8: mean AUC 0." in seen.err
    assert "AUC on all test rows, 2 seeds" in seen.out
    assert "one AES model for all leaves against one model per leaf" in seen.out
    told = json.loads(aesm(*words, *quick, "--format", "json").out)
    assert told == json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))
    assert [one["architecture"] for one in told["contenders"]].count("aes") == 1
    assert "no architecture `mmeo`" in aesm("compare", tmp_path / "w" / "groups.aesm", "--with", "mmeo").err


def test_training_without_a_terminal_says_line_by_line_how_it_goes(aesm: Aesm, world: Path, tmp_path: Path) -> None:
    done = aesm("train", world / "fund_search.aesm", "-o", tmp_path / "run", *SMALL, f'--set=data.cache="{tmp_path}"')
    lines = done.err.splitlines()
    phases = [line.removesuffix(" ...") for line in lines if line.endswith(" ...")]
    rows = sum(
        pl.scan_parquet(world / f"{part}.parquet").select(pl.len()).collect().item() for part in ("train", "test")
    )
    assert phases == ["reading 2 files", f"encoding {rows:,} rows", "training", "evaluating"]
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == 2
    assert lines.index("training ...") < lines.index(epochs[0]) < lines.index("evaluating ...")
    for words in ("loss click 0.", "validation: mean AUC 0.", "rows/s"):
        assert words in epochs[-1]
    again = aesm("train", world / "fund_search.aesm", "-o", tmp_path / "two", *SMALL, f'--set=data.cache="{tmp_path}"')
    assert "encoding" not in again.err, "the rows are kept from before"


def test_the_end_of_a_training_says_how_it_went_and_what_to_do_next(aesm: Aesm, world: Path, tmp_path: Path) -> None:
    spec, out = world / "fund_search.aesm", tmp_path / "a run"
    done = aesm("train", spec, "-o", out, *SMALL)
    assert re.search(
        r"Trained for \d+ steps in 2 epochs, not stopped early; the weights are those of epoch \d", done.out
    )
    assert f"`aesm experts '{out}'`" in done.out
    assert "too few" not in done.out
    short = aesm(
        "train", spec, "-o", tmp_path / "short", *SMALL, "--set=train.batch=4096 rows", "--set=train.length=2 steps"
    )
    assert "2 steps are too few to learn anything: 2," in short.out
    assert "of 4,096 rows. Write a smaller `batch`" in short.out
    assert re.search(
        r"Worse than always predicting the rate, \d+ of \d+ pairs of leaf and task: `\w+ > \w+` \(", short.out
    )


def test_tables_fit_the_terminal_that_columns_tells(aesm: Aesm, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for words in (("evaluate", run), ("experts", run), ("compile", run / "spec.aesm"), ("diff", run, run)):
        done = aesm(*words)
        assert done.code == 0
        assert max(cell_len(line) for line in done.out.splitlines() if set(line) & set("│┃┏┡├└")) <= 60
        assert "…" not in done.out
