"""Two real processes that share the rows of large tables learn what one process with whole tables learns."""

from __future__ import annotations

import json
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal
from safetensors.torch import load_file

from aesm_dsl import AesmError, evaluate, load_run, predict, train
from aesm_dsl.training.preconditions import torchrec_mismatch
from tests.pages import without
from tests.training.distributed.test_together import two_processes
from tests.training.run.test_resume import same
from tests.worlds import fund_world

PLANS = ["sgd", "adagrad", "adam", "adamw", "combined", "compiled"]
needs_torchrec = pytest.mark.skipif(find_spec("torchrec") is None, reason="torchrec is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes did what sharded.py says."""
    folder = tmp_path_factory.mktemp("sharded")
    fund_world(folder, 1505)
    two_processes("tests.training.distributed.sharded", folder)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


@needs_torchrec
@pytest.mark.parametrize("name", PLANS)
def test_shared_tables_learn_what_whole_ones_learn(found: dict[str, Any], name: str) -> None:
    seen = found["steps"][name]
    assert seen["rows"] == [[[1, 1], [4, 8], [15, 29]], [[0, 1], [4, 8], [14, 29]]], "own rows, of all"
    for ours, theirs in zip(seen["together"], seen["alone"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-9)
    assert max(seen["apart"].values()) < 1e-6
    assert seen["the same weights"]
    assert seen["comes back"]


@needs_torchrec
def test_a_row_is_looked_up_wherever_it_lives(found: dict[str, Any]) -> None:
    for seen in found["lookups"]:
        assert seen["same"]
        assert seen["none"]
        assert seen["refused"] == "row 4 to 4 of a table of 4 rows"
        assert seen["kinds"] == ["ShardedTable"] * 2, "a table of embeddings, and one of vectors from a file"
        assert seen["back"]
        assert seen["plain"]


@needs_torchrec
def test_a_run_is_that_of_whole_tables(folder: Path, found: dict[str, Any]) -> None:
    ours, theirs = load_file(folder / "sharded/weights.safetensors"), load_file(folder / "local/weights.safetensors")
    assert ours.keys() == theirs.keys()
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours) < 1e-5
    assert found["missed"] == [[0, 0, 1], [0, 0, 0]], "one process looks at a batch more than the other"
    assert found["held"][0] == found["held"][1], "all processes have the whole network in the end"
    with without("torchrec"):
        run = load_run(folder / "sharded")
        assert_frame_equal(run.metrics, load_run(folder / "local").metrics, abs_tol=1e-5)
        assert_frame_equal(evaluate(run, device="cpu"), run.metrics, rel_tol=1e-5)
        assert_frame_equal(*(predict(one, folder / "test.parquet", device="cpu") for one in (run, folder / "local")))


@needs_torchrec
def test_a_stopped_training_goes_on_to_the_same_run(folder: Path, found: dict[str, Any]) -> None:
    assert found["stopped at"] == 9
    same(folder / "again", load_run(folder / "sharded"))


@pytest.fixture
def of_two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A spec, in a process that believes to be the first of two."""
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "", "MASTER_PORT": ""}.items():
        monkeypatch.setenv(name, value)
    return fund_world(tmp_path, 200)


def told(spec: Path) -> list[str]:
    with pytest.raises(AesmError) as error:
        train(spec, spec.parent / "run", device="cpu", overrides=["train.tables=sharded"])
    (item,) = error.value.findings
    assert item.span is not None
    return [item.code, item.message, *item.help]


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """As if these were installed, and nothing else."""

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr("torch.__version__", "2.13.0+cpu")


def test_torchrec_is_not_installed(of_two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    code, message, help, other = told(of_two)
    assert (code, message) == ("E607", "`tables = sharded` needs torchrec, which is not installed")
    assert 'pip install "aesm-dsl[torchrec]"' in help
    assert other == "or write `tables = local`"


def test_fbgemm_is_not_installed(of_two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, torchrec="1.8.0")
    assert told(of_two)[:2] == ["E607", "`tables = sharded` needs fbgemm-gpu, which is not installed"]


def test_torchrec_is_of_another_torch(of_two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, torchrec="1.5.0", **{"fbgemm-gpu-cpu": "1.8.0"})
    assert told(of_two)[:3] == [
        "E612",
        "torchrec 1.5.0 does not fit torch 2.13.0",
        "torch 2.13.0 needs `torchrec==1.8.* fbgemm-gpu-cpu==1.8.*`",
    ]


def test_torchrec_does_not_load(of_two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, torchrec="1.8.0", **{"fbgemm-gpu": "1.8.0"})
    with without("torchrec"):
        code, message, _ = told(of_two)
    assert (code, message.partition(":")[0]) == ("E612", "torchrec does not load here")


@pytest.mark.parametrize(
    ("torch", "torchrec", "fbgemm", "odd"),
    [
        ("2.13.0", "1.8.0", "1.8.1", None),
        ("2.9.1+cu128", "1.4.0", "1.4.2", None),
        ("2.13.0", "1.8.0", "1.7.0", "fbgemm-gpu 1.7.0 does not fit torch 2.13.0"),
        ("2.14.0", "1.8.0", "1.8.0", "torchrec 1.8.0 and fbgemm-gpu 1.8.0 do not fit torch 2.14.0"),
    ],
)
def test_versions_that_fit(torch: str, torchrec: str, fbgemm: str, odd: str | None) -> None:
    found = torchrec_mismatch(torch, {"torchrec": torchrec, "fbgemm-gpu": fbgemm})
    assert (found and found[0]) == odd


@pytest.mark.parametrize(
    ("torch", "torchrec", "fbgemm", "helps"),
    [
        (
            "2.15.0+cpu",
            "1.9.2",
            "1.9.0",
            ['torchrec 1.9.2 and fbgemm-gpu 1.9.0 fit torch 2.14: `pip install "torch==2.14.*"`'],
        ),
        ("2.15.0", "1.9.2", "1.8.0", ["torchrec 1.9.2 fits torch 2.14", "fbgemm-gpu 1.8.0 fits torch 2.13"]),
        (
            "2.13.0",
            "1.9.2",
            "1.8.0",
            ["torch 2.13.0 needs `torchrec==1.8.* fbgemm-gpu==1.8.*`", "torchrec 1.9.2 fits torch 2.14"],
        ),
        (
            "3.0.0",
            "1.9.2",
            "1.9.2",
            ['torchrec 1.9.2 and fbgemm-gpu 1.9.2 fit torch 2.14: `pip install "torch==2.14.*"`'],
        ),
        (
            "2.4.1",
            "1.9.2",
            "1.9.2",
            ['torchrec 1.9.2 and fbgemm-gpu 1.9.2 fit torch 2.14: `pip install "torch==2.14.*"`'],
        ),
    ],
)
def test_no_release_is_named_that_may_not_exist(torch: str, torchrec: str, fbgemm: str, helps: list[str]) -> None:
    found = torchrec_mismatch(torch, {"torchrec": torchrec, "fbgemm-gpu": fbgemm})
    assert found is not None
    assert found[1] == helps


def test_one_process_has_whole_tables(tmp_path: Path) -> None:
    warned: list[str] = []
    more = ["train.tables=sharded", "train.embeddings=sparse", "train.length=1 steps"]
    with without("torchrec"):
        train(
            fund_world(tmp_path, 200),
            tmp_path / "run",
            device="cpu",
            overrides=more,
            warn=lambda findings: warned.extend(f"{one.code} {one.label}" for one in findings),
        )
    assert "W605 there is one process" in warned
