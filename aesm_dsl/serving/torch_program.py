"""Network -> an exported program of torch (`torch.export`): what another torch runs without aesm.

A graph knows no data, so that it runs every expert on every row, and of few leaves all of their Linears.
"""

from __future__ import annotations

import copy
import io
import logging
import warnings

import torch

from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.serving.export_inputs import Served, example_inputs
from aesm_dsl.serving.export_modules import leaf_module, replaced, torch_linears


def program(network: AnyNetwork) -> torch.export.ExportedProgram:
    """The network as a program: named inputs, for any number of rows, and a probability per task.

    The network itself is left as it was; it must be on the CPU. What torch itself says on the way is not shown.
    """
    exported = copy.deepcopy(network).eval()
    replaced(exported, lambda module: leaf_module(module, torch_linears))
    inputs = {name: tensor.clone() for name, tensor in example_inputs(network.plan, rows=4).items()}
    rows = torch.export.Dim("rows", min=1)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            return torch.export.export(
                Served(exported),
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
