"""Training with several threads gives the same bits every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from aesm_dsl import prepare
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.training.fit.gradient_weighting import gradient_weighting
from aesm_dsl.training.fit.step import Stepper
from tests.bits.options import OPTIONS, write_world
from tests.bits.twice import digest
from tests.conftest import PROJECT

RACING = ("index_put", "put_", "_index_put_impl")
"""Operators of a CPU that add to the same place from several threads, in whatever order they come, if told to add."""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("bits"))


def test_two_processes_of_two_threads_learn_the_same(spec: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bits.twice", str(spec.parent)],
        cwd=PROJECT,
        # Threads that wait for each other on a busy machine sleep, in place of counting: the same in less time.
        env={**os.environ, "OMP_NUM_THREADS": "2", "POLARS_MAX_THREADS": "3", "OMP_WAIT_POLICY": "passive"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    first, second = json.loads(done.stdout)
    assert {name for name in first if first[name] != second[name]} == set()
    encoders = prepare(spec).encoders.to_json()
    assert first["encoders"] == digest([encoders.encode()]), "with as many threads of polars as there are cores"


class Additions(TorchDispatchMode):
    """Collects the operators that add in racing order."""

    def __init__(self) -> None:
        super().__init__()
        self.racing: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = dict(zip([argument.name for argument in func._schema.arguments], args, strict=False)) | (kwargs or {})
        if func._schema.name.removeprefix("aten::").startswith(RACING) and named.get("accumulate"):
            self.racing.add(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", OPTIONS)
def test_no_step_adds_in_racing_order(spec: Path, name: str) -> None:
    ready = prepare(spec, overrides=OPTIONS[name])
    weighting = gradient_weighting(ready.plan.training.combine, Findings(), lambda key: None)
    stepper, batch = Stepper(ready.network(), torch.device("cpu"), weighting), next(iter(ready.train.batches(200)))
    with Additions() as seen:
        stepper.step(batch, 0.0)
    assert not seen.racing
