"""Chooses how the experts of a layer run. Every way gives the same result; they differ in what they cost.

dense    every expert on every row, one batched product
loop     each expert on the rows that selected it, one product after the other
grouped  the same in one grouped product of bfloat16, if the GPU has one (compute capability 9 and above)
"""

from __future__ import annotations

import torch
from torch import Tensor

from aesm_dsl.plan.cost import loop_pays
from aesm_dsl.plan.plan import LayerPlan


def choose_execution(plan: LayerPlan, x_BD: Tensor, gates: int) -> str:
    """Returns "dense", "loop" or "grouped": what the plan's `execution` says, or what costs least for the batch.

    "grouped" becomes "loop" if torch has no grouped product for the type and the widths.

    Args:
        plan: the layer.
        x_BD: the batch.
        gates: gates per row: 1, or T if T tasks share the row's input.
    """
    if torch.compiler.is_exporting():
        # One graph for any number of rows: it cannot know which experts a batch needs.
        return "dense"
    device, dtype = x_BD.device, x_BD.dtype
    if torch.is_autocast_enabled(device.type):
        dtype = torch.get_autocast_dtype(device.type)
    fused = device.type == "cuda" and dtype == torch.bfloat16 and torch.cuda.get_device_capability(device) >= (9, 0)
    if plan.execution == "grouped" or (plan.execution == "auto" and fused):
        return "grouped" if _can_group(plan, dtype) else "loop"
    if plan.execution == "auto":
        return "loop" if loop_pays(plan, x_BD.shape[0], gates, device.type) else "dense"
    return plan.execution


def _can_group(plan: LayerPlan, dtype: torch.dtype) -> bool:
    """Whether torch has the grouped product.

    It has none for float64, compiles it for bfloat16 alone, and needs rows that are whole multiples of 16 bytes.
    """
    aligned = all(width * dtype.itemsize % 16 == 0 for width in (plan.input, *plan.hidden))
    known = dtype == torch.bfloat16 or not (dtype == torch.float64 or torch.compiler.is_compiling())
    return aligned and known and hasattr(torch.nn.functional, "grouped_mm")
