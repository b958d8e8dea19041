"""Network -> an exported program of torch (`torch.export`): what another torch runs without aesm.

A graph knows no data, so that it runs every expert on every row.
"""

from __future__ import annotations

import io
import logging
import warnings
from dataclasses import replace

import torch

from aesm_dsl.layers.build import AnyNetwork, build
from aesm_dsl.plan import LayerPlan, Plan
from aesm_dsl.serving.inputs import Served, example_inputs


def program(network: AnyNetwork) -> torch.export.ExportedProgram:
    """The network as a program: named inputs, for any number of rows, and a probability per task.

    The network itself is left as it was; it must be on the CPU. What torch itself says on the way is not shown.
    """
    plan = _dense(network.plan)
    with torch.random.fork_rng(devices=[]):
        dense = build(plan)
    dense.load_state_dict(network.state_dict())
    inputs = {name: tensor.clone() for name, tensor in example_inputs(plan, rows=4).items()}
    rows = torch.export.Dim("rows", min=1)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            return torch.export.export(
                Served(dense).eval(),
                (),
                kwargs={"inputs": inputs},
                dynamic_shapes={"inputs": {name: {0: rows} for name in inputs}},
            )
        finally:
            logging.disable(logging.NOTSET)


def program_bytes(network: AnyNetwork) -> bytes:
    """The program as a .pt2 file holds it."""
    file = io.BytesIO()
    torch.export.save(program(network), file)
    return file.getvalue()


def _dense(plan: Plan) -> Plan:
    """The same plan with every expert run on every row."""

    def layers(some: tuple[LayerPlan, ...]) -> tuple[LayerPlan, ...]:
        return tuple(replace(one, execution="dense") for one in some)

    levels = tuple(replace(level, layers=layers(level.layers)) for level in plan.levels)
    return replace(plan, levels=levels, tasks=replace(plan.tasks, layers=layers(plan.tasks.layers)))
