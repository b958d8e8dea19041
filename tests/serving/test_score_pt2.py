"""A program of torch, as it is and compiled by AOTInductor, with the scorer of examples/score_pt2.py."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aesm_dsl import export
from aesm_dsl.data.batch import Batch
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.serving.engine import torch_engine
from aesm_dsl.serving.export_inputs import keyword_inputs
from aesm_dsl.training.run.folder import Run
from tests.conftest import PROJECT
from tests.serving.conftest import table_of
from tests.serving.ties import assert_same, scores_of

EXAMPLE = PROJECT / "examples" / "score_pt2.py"

Scorer = Callable[[dict[str, Any]], dict[str, Tensor]]


@pytest.fixture(scope="module")
def program(kinds: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(kinds, tmp_path_factory.mktemp("program") / "model.pt2", to="pt2")


@pytest.fixture(scope="module", params=["exported", "compiled"])
def scorer(request: pytest.FixtureRequest, program: Path) -> Scorer:
    scorer_class = runpy.run_path(str(EXAMPLE))["Program"]
    if request.param == "exported":
        made: Scorer = scorer_class(program)
        return made
    if "AESM_COMPILED" not in os.environ:
        pytest.skip("compiling takes minutes; `make clients` does it")
    if shutil.which("g++") is None:
        pytest.skip("AOTInductor needs a C++ compiler")
    compiled = program.with_name("compiled.pt2")
    torch._inductor.aoti_compile_and_package(torch.export.load(program), package_path=str(compiled))
    of_compiled: Scorer = scorer_class(program, compiled)
    return of_compiled


def batch_of(run: Run, rows: int) -> Batch:
    findings = Findings()
    batch = torch_engine(run, torch.device("cpu")).encode(table_of(max(rows, 1), rows), findings)
    assert batch is not None, findings
    return Batch(*(part[:rows] for part in batch.parts))


def found(scores: dict[str, Tensor]) -> np.ndarray:
    assert list(scores) == ["click", "buy"]
    return torch.stack(list(scores.values()), dim=1).numpy()


@pytest.mark.parametrize("rows", [0, 1, 2, 40, 500])
def test_in_any_order_and_with_any_strides(kinds: Run, scorer: Scorer, rows: int) -> None:
    batch = batch_of(kinds, rows)
    inputs = keyword_inputs(kinds.plan, batch)
    assert rows < 2 or any(not one.is_contiguous() for one in inputs.values()), "nothing has strides of its own"
    for some in (inputs, dict(reversed(inputs.items())), {name: one.numpy() for name, one in inputs.items()}):
        assert_same(kinds.network, batch, found(scorer(some)), scores_of(kinds.network, batch))


def test_what_the_program_does_not_take(kinds: Run, scorer: Scorer) -> None:
    inputs = keyword_inputs(kinds.plan, batch_of(kinds, 40))
    for name, tensor in inputs.items():
        with pytest.raises(ValueError, match=f"{name} is torch.int32"):
            scorer({**inputs, name: tensor.int()})
        with pytest.raises(ValueError, match="the inputs are"):
            scorer({other: one for other, one in inputs.items() if other != name})
        if tensor.dtype == torch.int64:
            for value in (-2, 10**6, 2**62):
                outside = tensor.clone()
                outside[7] = value
                with pytest.raises((RuntimeError, IndexError)):
                    scorer({**inputs, name: outside})
    with pytest.raises(ValueError, match=r"feature_age is torch\.int64 \[1, 1\], not int64 \[40, 1\]"):
        scorer({**inputs, "feature_age": inputs["feature_age"][:1]})


def test_the_program_alone_goes_by_names(kinds: Run, program: Path) -> None:
    """A caller that has read no description: another order is the same call, and another name an error."""
    batch = batch_of(kinds, 40)
    inputs = keyword_inputs(kinds.plan, batch)
    module = torch.export.load(program).module()
    with torch.no_grad():
        scores = torch.stack(module(**dict(reversed(inputs.items()))), dim=1).numpy()
    assert_same(kinds.network, batch, scores, scores_of(kinds.network, batch))
    with pytest.raises(ValueError, match="keyword"):
        module(**{f"{name}_": one for name, one in inputs.items()})


def test_the_description_has_the_programs_inputs(kinds: Run, program: Path) -> None:
    said = json.loads(program.with_suffix(".json").read_text(encoding="utf-8"))
    inputs = keyword_inputs(kinds.plan, batch_of(kinds, 3))
    assert {one["name"]: (one["type"], one["shape"][1:]) for one in said["inputs"]} == {
        name: (str(one.dtype).removeprefix("torch."), list(one.shape[1:])) for name, one in inputs.items()
    }
    assert [one["input"] for one in said["features"] + said["levels"]] == list(inputs)


def test_from_the_command_line(kinds: Run, program: Path, tmp_path: Path) -> None:
    batch = batch_of(kinds, 5)
    np.savez(tmp_path / "inputs.npz", **{name: one.numpy() for name, one in keyword_inputs(kinds.plan, batch).items()})
    command = [sys.executable, str(EXAMPLE), str(program), str(tmp_path / "inputs.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert_same(kinds.network, batch, np.array([list(row.values()) for row in rows]), scores_of(kinds.network, batch))
