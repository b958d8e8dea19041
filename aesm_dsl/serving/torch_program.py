"""Network -> a program of `torch.export`, which torch runs without aesm.

A graph cannot depend on the values of a batch. So it runs every expert on every row, and with few leaves the Linears of
every leaf too.
"""

from __future__ import annotations

import copy
import io
import logging
import warnings

import torch

from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.serving.export_inputs import NamedInputNetwork, example_inputs
from aesm_dsl.serving.export_modules import exported_leaf_module, replace_modules, torch_linears


def export_program(network: AnyNetwork) -> torch.export.ExportedProgram:
    """Exports the network: named inputs of any number of rows, and a probability for each task.

    The network must be on the CPU; it is not changed. Warnings and log messages of torch are not shown.
    """
    exported = copy.deepcopy(network).eval()
    exported.shallow_tower = None
    replace_modules(exported, lambda module: exported_leaf_module(module, torch_linears))
    # Several rows: torch.export takes a size of 1 for a constant.
    inputs = example_inputs(network.plan, rows=4)
    rows = torch.export.Dim("rows", min=0)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            return torch.export.export(
                NamedInputNetwork(exported),
                (),
                kwargs=inputs,
                dynamic_shapes={name: {0: rows} for name in inputs},
            )
        finally:
            logging.disable(logging.NOTSET)


def program_bytes(network: AnyNetwork) -> bytes:
    """Returns the program in the format of a .pt2 file."""
    file = io.BytesIO()
    torch.export.save(export_program(network), file)
    return file.getvalue()
