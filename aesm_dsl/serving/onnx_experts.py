"""The experts of one layer as ONNX nodes that run the selected experts alone (eq. 7).

The exporter leaves a placeholder node for the experts of each layer. Two forms of them take its place, under an `If` on
the number of rows:

gathered  every row takes the parameters of its own experts: few nodes whatever the number of experts, for few rows
looped    each expert runs on the rows that selected it, one product after the other, for many rows

Axes: B rows, G gates per row, E experts, K experts that a row runs at most, P (row, expert) pairs sorted by expert,
D input width, H width of one block, F output width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from aesm_dsl.layers.experts import EPSILON
from aesm_dsl.serving.onnx_graph import Array, Graph, up_to

NAME = "Experts"
"""Of the placeholder. Its inputs: x_BD, weight_BGE, then of each block weight_EDH and bias_EH, and with layer
norm scale_EH and shift_EH."""

FEW_GATHERED = 12_000
"""Up to so many gathered parameters for each expert of the layer the gathered form is the faster one: what it copies
costs by their number, what the looped form starts by the number of experts. `python bench/serving.py --forms`."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """One placeholder, read."""

    x_BD: str
    weight_BGE: str
    blocks: tuple[tuple[Array, ...], ...]
    """Of each block weight_EDH, bias_EH, and with a norm scale_EH, shift_EH."""
    most: int
    gates: int
    activation: str

    @property
    def experts(self) -> int:
        return int(self.blocks[0][0].shape[0])

    @property
    def expert_parameters(self) -> int:
        """Of one expert."""
        return sum(array[0].size for block in self.blocks for array in block)


def expanded(node: NodeProto, tensors: dict[str, TensorProto]) -> list[NodeProto]:
    """What stands for a placeholder: nodes whose last one gives its result, both forms under an `If`."""
    layer, name = _read(node, tensors), node.name
    few, many = Graph(f"{name}/gathered/"), Graph(f"{name}/looped/")
    limit = FEW_GATHERED * layer.experts // (layer.expert_parameters * layer.most)
    forms = (few, _gathered(few, layer)), (many, _looped(many, layer))
    return up_to(limit, layer.x_BD, 0, *forms, name=name, result=node.output[0])


def _read(node: NodeProto, tensors: dict[str, TensorProto]) -> _Layer:
    said = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    arrays = [numpy_helper.to_array(tensors[name]) for name in node.input[2:]]
    step = len(arrays) // said["blocks"]
    blocks = tuple(tuple(arrays[start : start + step]) for start in range(0, len(arrays), step))
    return _Layer(node.input[0], node.input[1], blocks, said["most"], said["gates"], bytes(said["activation"]).decode())


def _chosen(graph: Graph, layer: _Layer) -> tuple[str, str, str]:
    """runs_BE (bool), expert_BK and weight_BGK: which experts a row runs, K of them named, and what they weigh.

    A row that runs fewer than K names others too, which weigh 0.
    """
    largest_BE = graph.add("ReduceMax", layer.weight_BGE, graph.ints(1), keepdims=0)
    runs_BE = graph.add("Greater", largest_BE, graph.hold(np.array(0.0, dtype=np.float32)))
    number_BE = graph.add("Cast", runs_BE, to=TensorProto.FLOAT)
    _, expert_BK = graph.several("TopK", [number_BE, graph.ints(layer.most)], 2, axis=1)
    index_BGK = graph.add("Unsqueeze", expert_BK, graph.ints(1))
    if layer.gates > 1:
        index_BGK = graph.add("Expand", index_BGK, graph.ints(1, layer.gates, 1))
    return runs_BE, expert_BK, graph.add("GatherElements", layer.weight_BGE, index_BGK, axis=2)


def _gathered(graph: Graph, layer: _Layer) -> str:
    """y_BGF, each row with the parameters of its experts."""
    _, expert_BK, weight_BGK = _chosen(graph, layer)
    h = graph.add("Unsqueeze", layer.x_BD, graph.ints(1, 2))
    for weight_EDH, *vectors in layer.blocks:
        product = graph.add("MatMul", h, graph.add("Gather", graph.hold(weight_EDH), expert_BK))
        h_BKH = graph.add("Squeeze", product, graph.ints(2))
        bias, *norm = (graph.add("Gather", graph.hold(vector), expert_BK) for vector in vectors)
        h_BKH = graph.add("Add", h_BKH, bias)
        if norm:
            ones = graph.hold(np.ones(weight_EDH.shape[2], dtype=np.float32))
            h_BKH = graph.add("LayerNormalization", h_BKH, ones, axis=-1, epsilon=EPSILON)
            h_BKH = graph.add("Add", graph.add("Mul", h_BKH, norm[0]), norm[1])
        h_BKH = _activated(graph, h_BKH, layer.activation)
        h = graph.add("Unsqueeze", h_BKH, graph.ints(2))
    return graph.add("MatMul", weight_BGK, h_BKH)


def _looped(graph: Graph, layer: _Layer) -> str:
    """y_BGF, each expert on its own rows. Pairs lie in order of expert, then row, and are found again by counting."""
    runs_BE, expert_BK, weight_BGK = _chosen(graph, layer)
    runs_EB = graph.add("Transpose", runs_BE, perm=[1, 0])
    count_EB = graph.add("Cast", runs_EB, to=TensorProto.INT64)
    pairs_2P = graph.add("NonZero", runs_EB)
    row_P = graph.add("Gather", pairs_2P, graph.int(1), axis=0)
    size_E = graph.add("ReduceSum", count_EB, graph.ints(1), keepdims=0)
    h_PH = graph.add("Gather", layer.x_BD, row_P)
    for weight_EDH, *vectors in layer.blocks:
        parts = graph.several("Split", [h_PH, size_E], layer.experts, axis=0)
        done: list[str] = []
        for expert, part in enumerate(parts):
            bias, *norm = (graph.hold(vector[expert]) for vector in vectors)
            part = graph.add("Gemm", part, graph.hold(weight_EDH[expert]), bias)
            done.append(graph.add("LayerNormalization", part, *norm, axis=-1, epsilon=EPSILON) if norm else part)
        h_PH = _activated(graph, graph.add("Concat", *done, axis=0), layer.activation)
    flat = graph.add("Reshape", count_EB, graph.ints(-1))
    before = graph.add("CumSum", flat, graph.int(0), exclusive=1)
    place_BE = graph.add("Transpose", graph.add("Reshape", before, graph.add("Shape", runs_EB)), perm=[1, 0])
    place_BK = graph.add("GatherElements", place_BE, expert_BK, axis=1)
    # A named expert that the row does not run weighs 0, but its place may lie behind the last pair.
    last = graph.add("Sub", graph.add("ReduceSum", size_E, graph.ints(0), keepdims=0), graph.int(1))
    return graph.add("MatMul", weight_BGK, graph.add("Gather", h_PH, graph.add("Min", place_BK, last)))


def _activated(graph: Graph, h: str, activation: str) -> str:
    if activation == "silu":
        return graph.add("Mul", h, graph.add("Sigmoid", h))
    if activation == "relu":
        return graph.add("Relu", h)
    raise ValueError(f"activation {activation!r}, expected 'silu' or 'relu'")
