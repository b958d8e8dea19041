"""A network's steps through torch.compile, where the plan's `compile` says so.

Compiled are the steps alone: what is measured runs as it is, so that no second network has to be compiled for it. The
experts on the rows that selected them (execution "loop") and the lookups of sparse tables run as they are, too: of both
torch.compile would make a new graph for every batch, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import Noise
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.plan.training import TrainingPlan

GRAPHS = 256
"""Graphs of one function: one for every layer whose sizes no other has. Beyond torch's own 8 it would give up."""


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
