"""The steps of a network through torch.compile, if the plan's `compile` asks for it.

Only training steps are compiled: measuring runs the plain network, so that no second one has to be compiled. The
experts on the rows that selected them (execution "loop") and the lookups of sparse tables run uncompiled too:
torch.compile would make a new graph of them for every batch, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from aesm_dsl.data.batch import Batch
from aesm_dsl.layers.aes import Noise
from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.layers.prediction import Prediction
from aesm_dsl.plan.training import TrainingPlan

RECOMPILE_LIMIT = 256
"""Graphs of one function: one for every layer with sizes of its own. With torch's default, 8, it would give up."""


def stepping(network: AnyNetwork) -> Callable[[Batch, Noise], Prediction]:
    """Returns the network for training steps, compiled or not; it has the parameters of the network itself."""
    backend = network.plan.training.compile
    if backend is None:
        return network
    compiled: Callable[[Batch, Noise], Prediction] = torch.compile(network, dynamic=True, backend=backend)
    return compiled


@contextmanager
def step_of(training: TrainingPlan, device: torch.device) -> Iterator[None]:
    """Sets torch's compiler up for one whole step on a device, forward and backward."""
    if training.compile is None:
        yield
        return
    from torch._dynamo import config as tracing
    from torch._functorch import config as graphs

    # To combine or compare gradients, a graph is asked for those of one task after the other: its buffers must live on.
    once = training.combine == "sum" and training.weights != "gradnorm"
    buffers = graphs.patch(donated_buffer=once)
    with buffers, tracing.patch(recompile_limit=RECOMPILE_LIMIT), _deterministic(device.type == "cpu"):
        yield


@contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    """Makes torch choose deterministic algorithms, and then choose as before.

    Inductor's own loops let several threads add to the gradient of the same looked-up row in whatever order they come.
    Asked for deterministic algorithms, it calls torch's operators instead, which do not.
    """
    memory: Any = torch.utils.deterministic
    before = torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory
    if wanted:
        torch.set_deterministic_debug_mode("warn")
        memory.fill_uninitialized_memory = False  # costs time, and nothing here reads such memory
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before[0])
        memory.fill_uninitialized_memory = before[1]
