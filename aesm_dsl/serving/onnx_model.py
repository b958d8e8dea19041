"""Network -> ONNX model with named inputs and outputs, for any number of rows; it runs only the selected experts.

Inputs:
    `feature.NAME`: int64 (rows, slots), the feature's ids; float32 (rows, 1) for a feature that is used as a number.
    `level.NAME`: int64 (rows,), the row's node; -1 if it is unknown.
Outputs:
    `TASK`: float32 (rows,), the probability of the task.
"""

from __future__ import annotations

import copy
import logging
import warnings
from itertools import chain
from typing import Any

import onnx
import torch
from onnxscript import opset20 as operators
from torch import Tensor, nn

from aesm_dsl.layers.build import AnyNetwork
from aesm_dsl.layers.experts import EPSILON, ExpertBlock, Experts
from aesm_dsl.layers.leaf_rows import SortedRows
from aesm_dsl.serving import onnx_experts, onnx_leaves
from aesm_dsl.serving.export_inputs import NamedInputNetwork, example_inputs
from aesm_dsl.serving.export_modules import exported_leaf_module, replace_modules
from aesm_dsl.serving.onnx_interface import name_interface
from aesm_dsl.serving.onnx_placeholders import DOMAIN, expand_placeholders
from aesm_dsl.serving.onnx_weights import Weights
from aesm_dsl.version import VERSION

OPSET = 20
"""Version of the ONNX operators that the model uses."""


def onnx_model(network: AnyNetwork) -> tuple[onnx.ModelProto, Weights]:
    """Exports the network as an ONNX model with references to its large constants.

    The network must be on the CPU; it is not changed.

    Returns:
        The model, and what its references stand for.
    """
    plan = network.plan
    exported = copy.deepcopy(network).eval()
    exported.shallow_tower = None
    replace_modules(exported, _placeholder)
    served = NamedInputNetwork(exported)
    # Several rows: torch.export takes a size of 1 for a constant.
    tensors = example_inputs(plan, rows=2)
    rows = torch.export.Dim("rows", min=1)  # `name_interface` sees to batches without rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about torch's own code
        logging.disable(logging.WARNING)
        try:
            program = torch.onnx.export(
                served,
                (),
                kwargs=tensors,
                dynamo=True,
                opset_version=OPSET,
                custom_translation_table={
                    torch.ops.aten.sort.stable: _sort,
                    torch.ops.aten.log_softmax.int: _log_softmax,
                },
                dynamic_shapes={name: {0: rows} for name in tensors},
                verbose=False,
            )
        finally:
            logging.disable(logging.NOTSET)
    assert program is not None
    weights = Weights()
    weights.take(program.model)
    model = program.model_proto
    expand_placeholders(model, weights)
    # The exporter noted shapes of intermediate results of the graph as it was before the expansion.
    del model.graph.value_info[:]
    name_interface(model, plan, weights)
    model.producer_name, model.producer_version = "aesm", VERSION
    return model, weights


def _sort(values: Any, *, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """A stable sort, as a TopK of all values: ONNX's TopK takes the lower index of equal values first."""
    size: Any = operators.Gather(operators.Shape(values), operators.Constant(value_ints=[dim]))  # type: ignore[type-var]
    return operators.TopK(values, size, axis=dim, largest=int(descending))


def _log_softmax(values: Any, dim: int, dtype: int | None = None) -> Any:
    """A log softmax from its parts: onnxruntime's LogSoftmax first moves any axis but the last to the end, and back."""
    axes: Any = operators.Constant(value_ints=[dim])
    less = operators.Sub(values, operators.ReduceMax(values, axes, keepdims=1))
    total: Any = operators.ReduceSum(operators.Exp(less), axes, keepdims=1)
    return operators.Sub(less, operators.Log(total))


def _placeholder(module: nn.Module) -> nn.Module | None:
    return _Experts(module) if isinstance(module, Experts) else exported_leaf_module(module, _Linears)


class _Linears(nn.Module):
    """Replaces the Linears of leaves by a single node of the exported graph."""

    weight_LGDH: Tensor
    bias_LGH: Tensor

    def __init__(self, weight_LGDH: Tensor, bias_LGH: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight_LGDH", weight_LGDH)
        self.register_buffer("bias_LGH", bias_LGH)

    def forward(self, h: Tensor, rows: SortedRows) -> Tensor:
        y_GBH: Tensor = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{onnx_leaves.OPERATOR}",
            (h, rows.leaf_B, self.weight_LGDH, self.bias_LGH),
            dtype=h.dtype,
            shape=(self.bias_LGH.shape[1], h.shape[1], self.bias_LGH.shape[2]),
            version=1,
        )
        return y_GBH


class _Experts(nn.Module):
    """Replaces a layer's experts by a single node of the exported graph."""

    def __init__(self, experts: Experts) -> None:
        super().__init__()
        self.plan = experts.plan
        blocks = [_folded(block) for block in experts.blocks if isinstance(block, ExpertBlock)]
        self.blocks = len(blocks)
        for number, tensor in enumerate(chain.from_iterable(blocks)):
            self.register_buffer(f"tensor{number}", tensor)

    def forward(self, x_BD: Tensor, weight_BGE: Tensor) -> Tensor:
        gates = weight_BGE.shape[1]
        attributes: dict[str, Any] = {
            "blocks": self.blocks,
            "most": self.plan.most(gates),
            "gates": gates,
            "activation": self.plan.activation,
        }
        y_BGF: Tensor = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{onnx_experts.OPERATOR}",
            (x_BD, weight_BGE, *self.buffers()),
            attributes,
            dtype=x_BD.dtype,
            shape=(x_BD.shape[0], gates, self.plan.output),
            version=1,
        )
        return y_BGF


def _folded(block: ExpertBlock) -> list[Tensor]:
    """weight_EDH and bias_EH, and with layer norm scale_EH and shift_EH; batch norm is folded into the Linear."""
    weight_EDH, bias_EH = block.weight_EDH.detach(), block.bias_EH.detach()
    if block.scale_EH is None or block.shift_EH is None:
        return [weight_EDH, bias_EH]
    scale_EH, shift_EH = block.scale_EH.detach(), block.shift_EH.detach()
    if block.norm == "layer":
        return [weight_EDH, bias_EH, scale_EH, shift_EH]
    factor_EH = scale_EH * (block.variance_EH + EPSILON).rsqrt()
    return [weight_EDH * factor_EH.unsqueeze(1), (bias_EH - block.mean_EH) * factor_EH + shift_EH]
