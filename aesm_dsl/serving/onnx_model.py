"""Network -> ONNX model: named inputs and outputs, any number of rows, selected experts alone.

inputs   `feature.NAME`  int64 (rows, slots) the feature's ids, or float32 (rows, 1) where it is used as a number
         `level.NAME`    int64 (rows,) the row's node, -1 where it is unknown
outputs  `TASK`          float32 (rows,) the probability of the task
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
from aesm_dsl.serving.export_inputs import Served, example_inputs
from aesm_dsl.serving.export_modules import leaf_module, replaced
from aesm_dsl.serving.onnx_placeholders import DOMAIN, expand
from aesm_dsl.version import VERSION

OPSET = 20
"""Version of ONNX's operators that the file uses."""


def onnx_model(network: AnyNetwork) -> onnx.ModelProto:
    """The network as one ONNX model, checked by onnx. The network itself is left as it was; it must be on the CPU."""
    plan = network.plan
    exported = copy.deepcopy(network).eval()
    replaced(exported, _placeholder)
    served = Served(exported)
    tensors = example_inputs(plan, rows=2)
    rows = torch.export.Dim("rows", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what torch itself does inside
        logging.disable(logging.WARNING)
        try:
            program = torch.onnx.export(
                served,
                (),
                kwargs={"inputs": tensors},
                dynamo=True,
                opset_version=OPSET,
                input_names=list(tensors),
                output_names=[task.name for task in plan.tasks.tasks],
                custom_translation_table={
                    torch.ops.aten.sort.stable: _sort,
                    torch.ops.aten.log_softmax.int: _log_softmax,
                },
                dynamic_shapes={"inputs": {name: {0: rows} for name in tensors}},
                verbose=False,
            )
        finally:
            logging.disable(logging.NOTSET)
    assert program is not None
    model = program.model_proto
    expand(model)
    del model.graph.value_info[:]
    model.producer_name, model.producer_version = "aesm", VERSION
    onnx.checker.check_model(model)
    return model


def _sort(values: Any, *, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """A stable sort as ONNX's TopK of all: it takes the lower index of equal values first."""
    size: Any = operators.Gather(operators.Shape(values), operators.Constant(value_ints=[dim]))  # type: ignore[type-var]
    return operators.TopK(values, size, axis=dim, largest=int(descending))


def _log_softmax(values: Any, dim: int, dtype: int | None = None) -> Any:
    """By its parts. onnxruntime's LogSoftmax turns another axis than the last to the end first, and back."""
    axes: Any = operators.Constant(value_ints=[dim])
    less = operators.Sub(values, operators.ReduceMax(values, axes, keepdims=1))
    total: Any = operators.ReduceSum(operators.Exp(less), axes, keepdims=1)
    return operators.Sub(less, operators.Log(total))


def _placeholder(module: nn.Module) -> nn.Module | None:
    return _Experts(module) if isinstance(module, Experts) else leaf_module(module, _Linears)


class _Linears(nn.Module):
    """Where the Linears of leaves were: one node of the exported graph."""

    weight_LGDH: Tensor
    bias_LGH: Tensor

    def __init__(self, weight_LGDH: Tensor, bias_LGH: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight_LGDH", weight_LGDH)
        self.register_buffer("bias_LGH", bias_LGH)

    def forward(self, h: Tensor, rows: SortedRows) -> Tensor:
        found: Tensor = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{onnx_leaves.NAME}",
            (h, rows.leaf_B, self.weight_LGDH, self.bias_LGH),
            dtype=h.dtype,
            shape=(self.bias_LGH.shape[1], h.shape[1], self.bias_LGH.shape[2]),
            version=1,
        )
        return found


class _Experts(nn.Module):
    """Where a layer's experts were: one node of the exported graph."""

    def __init__(self, experts: Experts) -> None:
        super().__init__()
        self.plan = experts.plan
        blocks = [_folded(block) for block in experts.blocks if isinstance(block, ExpertBlock)]
        self.blocks = len(blocks)
        for place, tensor in enumerate(chain.from_iterable(blocks)):
            self.register_buffer(f"tensor{place}", tensor)

    def forward(self, x_BD: Tensor, weight_BGE: Tensor) -> Tensor:
        gates = weight_BGE.shape[1]
        said: dict[str, Any] = {
            "blocks": self.blocks,
            "most": self.plan.most(gates),
            "gates": gates,
            "activation": self.plan.activation,
        }
        found: Tensor = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{onnx_experts.NAME}",
            (x_BD, weight_BGE, *self.buffers()),
            said,
            dtype=x_BD.dtype,
            shape=(x_BD.shape[0], gates, self.plan.output),
            version=1,
        )
        return found


def _folded(block: ExpertBlock) -> list[Tensor]:
    """weight_EDH, bias_EH, and of layer norm its scale_EH and shift_EH; batch norm is folded into the Linear."""
    weight_EDH, bias_EH = block.weight_EDH.detach(), block.bias_EH.detach()
    if block.scale_EH is None or block.shift_EH is None:
        return [weight_EDH, bias_EH]
    scale_EH, shift_EH = block.scale_EH.detach(), block.shift_EH.detach()
    if block.norm == "layer":
        return [weight_EDH, bias_EH, scale_EH, shift_EH]
    factor_EH = scale_EH * (block.variance_EH + EPSILON).rsqrt()
    return [weight_EDH * factor_EH.unsqueeze(1), (bias_EH - block.mean_EH) * factor_EH + shift_EH]
