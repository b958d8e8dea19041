"""A network's steps through torch.compile, where the plan's `compile` says so; E611 where that does not work here.

Compiled are the steps alone: what is measured runs as it is, so that no second network has to be compiled for it. The
experts on the rows that selected them (execution "loop") and the lookups of sparse tables run as they are, too: of both
torch.compile would make a new graph for every batch, or none.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from aesm_dsl.data.batch import Batch
from aesm_dsl.data.checks.columns import Locate
from aesm_dsl.findings.diagnostic import Findings
from aesm_dsl.layers.aes import Noise
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.plan.plan import Plan
from aesm_dsl.plan.training import TrainingPlan

GRAPHS = 256
"""Graphs of one function: one for every layer whose sizes no other has. Beyond torch's own 8 it would give up."""

WITHOUT = "or write `compile = none`"


def stepping(network: AnyNetwork) -> Callable[[Batch, Noise], Prediction]:
    """The network for training steps, compiled or not; it has the network's own parameters."""
    backend = network.plan.training.compile
    if backend is None:
        return network
    compiled: Callable[[Batch, Noise], Prediction] = torch.compile(network, dynamic=True, backend=backend)
    return compiled


@contextmanager
def step_of(training: TrainingPlan) -> Iterator[None]:
    """What a whole step runs in, forward and backward: torch's compiler as it has to be for it."""
    if training.compile is None:
        yield
        return
    from torch._dynamo import config as tracing
    from torch._functorch import config as graphs

    # A method asks one graph for the gradients of one task after the other.
    kept = graphs.patch(donated_buffer=training.combine == "sum")
    with kept, tracing.patch(recompile_limit=GRAPHS):
        yield


def tell_uncompilable(plan: Plan, device: torch.device, findings: Findings, locate: Locate) -> None:
    """E611 where the plan asks for torch.compile, and it cannot compile the smallest function."""
    if plan.training.compile is None:
        return
    place = locate("train.compile")
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    name = os.environ.get("CXX", usual)
    if device.type == "cpu" and shutil.which(name) is None:
        findings.add(
            "E611",
            f"torch.compile needs a C++ compiler, and there is no `{name}` here",
            place,
            help=[f"install {usual}, or name another compiler in the variable `CXX`", WITHOUT],
        )
        return
    try:
        torch.compile(_least, backend=plan.training.compile)(torch.zeros(2, device=device))
    except Exception as error:  # whatever is missing: headers, Triton, a compiler that runs
        said = next((line for line in str(error).splitlines() if line.strip() and not line.endswith("raised:")), "")
        findings.add(
            "E611",
            f"torch.compile does not work here: {said.strip() or type(error).__name__}",
            place,
            help=["on a CPU it needs a C++ compiler and Python's headers, on CUDA Triton", WITHOUT],
        )


def _least(value: torch.Tensor) -> torch.Tensor:
    return value + 1
