"""The experts of one layer as ONNX nodes that run only the selected experts (method.md eq. 7).

The exporter leaves a placeholder node for the experts of each layer. Two forms replace it, under an `If` on the number
of rows:

- gathered, for few rows: every row takes the parameters of its own experts; few nodes whatever the number of experts.
- looped, for many rows: each expert runs on the rows that selected it, one product after the other.

Axes: B rows, G gates per row, E experts, K experts that a row runs at most, P (row, expert) pairs sorted by expert,
D input width, H width of one block, F output width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto, helper

from aesm_dsl.layers.experts import EPSILON
from aesm_dsl.serving.onnx_graph import GraphBuilder, choose_by_rows
from aesm_dsl.serving.onnx_weights import Array, Weights

OPERATOR = "Experts"
"""Operator of the placeholder. Its inputs: x_BD; weight_BGE; then for each block weight_EDH and bias_EH, and with layer
norm scale_EH and shift_EH."""

FEW_GATHERED = 12_000
"""Up to this many gathered parameters per expert of the layer, the gathered form is faster: its cost grows with the
parameters that it copies, the looped form's with the experts that it starts. Measured by
`python bench/serving.py --forms`."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """What a placeholder says about its layer."""

    x_BD: str
    weight_BGE: str
    blocks: tuple[tuple[Array, ...], ...]
    """For each block weight_EDH and bias_EH, and with a norm scale_EH and shift_EH."""
    most: int
    """The most experts that a row runs, K."""
    gates: int
    """Gates per row, G."""
    activation: str

    @property
    def experts(self) -> int:
        return int(self.blocks[0][0].shape[0])

    @property
    def expert_parameters(self) -> int:
        """Number of parameters of one expert."""
        return sum(array[0].size for block in self.blocks for array in block)


def expand_experts(node: NodeProto, tensors: dict[str, TensorProto], weights: Weights) -> list[NodeProto]:
    """Returns the nodes that replace a placeholder: both forms under an `If`, which gives the placeholder's result.

    Args:
        node: the placeholder.
        tensors: the model's parameters by name.
        weights: the values of large parameters; keeps those of the new nodes.
    """
    layer, name = _read(node, [weights.array(tensors[name]) for name in node.input[2:]]), node.name
    few, many = (GraphBuilder(f"{name}/{form}/", weights) for form in ("gathered", "looped"))
    limit = FEW_GATHERED * layer.experts // (layer.expert_parameters * layer.most)
    forms = (few, _gathered(few, layer)), (many, _looped(many, layer))
    return choose_by_rows(limit, layer.x_BD, 0, *forms, name=name, result=node.output[0])


def _read(node: NodeProto, arrays: list[Array]) -> _Layer:
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    step = len(arrays) // values["blocks"]
    blocks = tuple(tuple(arrays[start : start + step]) for start in range(0, len(arrays), step))
    activation = bytes(values["activation"]).decode()
    return _Layer(node.input[0], node.input[1], blocks, values["most"], values["gates"], activation)


def _selected(graph: GraphBuilder, layer: _Layer) -> tuple[str, str, str]:
    """runs_BE (bool), the experts that a row runs; expert_BK, their indices; and weight_BGK, their weights.

    A row that runs fewer than K experts lists others too, with the weight 0.
    """
    largest_BE = graph.add("ReduceMax", layer.weight_BGE, graph.int_vector(1), keepdims=0)
    runs_BE = graph.add("Greater", largest_BE, graph.constant(np.array(0.0, dtype=np.float32)))
    number_BE = graph.add("Cast", runs_BE, to=TensorProto.FLOAT)
    _, expert_BK = graph.add_multi("TopK", [number_BE, graph.int_vector(layer.most)], 2, axis=1)
    index_BGK = graph.add("Unsqueeze", expert_BK, graph.int_vector(1))
    if layer.gates > 1:
        index_BGK = graph.add("Expand", index_BGK, graph.int_vector(1, layer.gates, 1))
    return runs_BE, expert_BK, graph.add("GatherElements", layer.weight_BGE, index_BGK, axis=2)


def _gathered(graph: GraphBuilder, layer: _Layer) -> str:
    """y_BGF, each row with the parameters of its experts."""
    _, expert_BK, weight_BGK = _selected(graph, layer)
    h = graph.add("Unsqueeze", layer.x_BD, graph.int_vector(1, 2))
    for weight_EDH, *vectors in layer.blocks:
        product = graph.add("MatMul", h, graph.add("Gather", graph.constant(weight_EDH), expert_BK))
        h_BKH = graph.add("Squeeze", product, graph.int_vector(2))
        bias, *norm = (graph.add("Gather", graph.constant(vector), expert_BK) for vector in vectors)
        h_BKH = graph.add("Add", h_BKH, bias)
        if norm:
            ones = graph.constant(np.ones(weight_EDH.shape[2], dtype=np.float32))
            h_BKH = graph.add("LayerNormalization", h_BKH, ones, axis=-1, epsilon=EPSILON)
            h_BKH = graph.add("Add", graph.add("Mul", h_BKH, norm[0]), norm[1])
        h_BKH = _activated(graph, h_BKH, layer.activation)
        h = graph.add("Unsqueeze", h_BKH, graph.int_vector(2))
    return graph.add("MatMul", weight_BGK, h_BKH)


def _looped(graph: GraphBuilder, layer: _Layer) -> str:
    """y_BGF, each expert on its own rows.

    Pairs are sorted by expert, then row; the index of a pair is the number of pairs before it.
    """
    runs_BE, expert_BK, weight_BGK = _selected(graph, layer)
    runs_EB = graph.add("Transpose", runs_BE, perm=[1, 0])
    count_EB = graph.add("Cast", runs_EB, to=TensorProto.INT64)
    pairs_2P = graph.add("NonZero", runs_EB)
    row_P = graph.add("Gather", pairs_2P, graph.int_scalar(1), axis=0)
    size_E = graph.add("ReduceSum", count_EB, graph.int_vector(1), keepdims=0)
    h_PH = graph.add("Gather", layer.x_BD, row_P)
    for weight_EDH, *vectors in layer.blocks:
        parts = graph.add_multi("Split", [h_PH, size_E], layer.experts, axis=0)
        results: list[str] = []
        for expert, part in enumerate(parts):
            bias, *norm = (graph.constant(vector[expert]) for vector in vectors)
            part = graph.add("Gemm", part, graph.constant(weight_EDH[expert]), bias)
            results.append(graph.add("LayerNormalization", part, *norm, axis=-1, epsilon=EPSILON) if norm else part)
        h_PH = _activated(graph, graph.add("Concat", *results, axis=0), layer.activation)
    flat = graph.add("Reshape", count_EB, graph.int_vector(-1))
    before = graph.add("CumSum", flat, graph.int_scalar(0), exclusive=1)
    pair_BE = graph.add("Transpose", graph.add("Reshape", before, graph.add("Shape", runs_EB)), perm=[1, 0])
    pair_BK = graph.add("GatherElements", pair_BE, expert_BK, axis=1)
    # An expert in the list that the row does not run has the weight 0, but its index may lie beyond the last pair.
    last = graph.add("Sub", graph.add("ReduceSum", size_E, graph.int_vector(0), keepdims=0), graph.int_scalar(1))
    return graph.add("MatMul", weight_BGK, graph.add("Gather", h_PH, graph.add("Min", pair_BK, last)))


def _activated(graph: GraphBuilder, h: str, activation: str) -> str:
    if activation == "silu":
        return graph.add("Mul", h, graph.add("Sigmoid", h))
    if activation == "relu":
        return graph.add("Relu", h)
    raise ValueError(f"activation {activation!r}, expected 'silu' or 'relu'")
