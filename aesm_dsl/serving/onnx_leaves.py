"""The Linears of leaves as ONNX nodes, for rows that are sorted by leaf.

The exporter leaves a placeholder node for them. Two forms replace it, under an `If` on the number of rows:

- gathered, for few rows: every row takes the parameters of its own leaf; few nodes whatever the number of leaves.
- split, for many rows: one product for the rows of each leaf.

Axes: L leaves, G Linears side by side, B rows sorted by leaf, D input width, H output width.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto

from aesm_dsl.serving.onnx_graph import GraphBuilder, choose_by_rows
from aesm_dsl.serving.onnx_weights import Array, Weights

OPERATOR = "Linears"
"""Operator of the placeholder. Its inputs: h (G, B, D), or (1, B, D) if all G share one input; leaf_B; weight_LGDH;
bias_LGH."""

FEW_ROWS = 2
"""Up to this many rows per leaf, the gathered form is faster. Measured by
`python bench/serving.py --leaves --experts 8 --set tasks.tower_per=leaf "tasks.tower=[128, 64]"`."""


def expand_linears(node: NodeProto, tensors: dict[str, TensorProto], weights: Weights) -> list[NodeProto]:
    """Returns the nodes that replace a placeholder: both forms under an `If`, which gives the result y_GBH.

    Args:
        node: the placeholder.
        tensors: the model's parameters by name.
        weights: the values of large parameters; keeps those of the new nodes.
    """
    h, leaf_B = node.input[:2]
    weight_LGDH, bias_LGH = (weights.array(tensors[name]) for name in node.input[2:])
    few, many = (GraphBuilder(f"{node.name}/{form}/", weights) for form in ("gathered", "split"))
    inputs = (h, leaf_B, weight_LGDH, bias_LGH)
    forms = (few, _gathered(few, *inputs)), (many, _split(many, *inputs))
    return choose_by_rows(FEW_ROWS * len(weight_LGDH), leaf_B, 0, *forms, name=node.name, result=node.output[0])


def _gathered(graph: GraphBuilder, h: str, leaf_B: str, weight_LGDH: Array, bias_LGH: Array) -> str:
    """y_GBH, each row with the parameters of its leaf."""
    h_BGD = graph.add("Transpose", h, perm=[1, 0, 2])
    product = graph.add(
        "MatMul",
        graph.add("Unsqueeze", h_BGD, graph.int_vector(2)),
        graph.add("Gather", graph.constant(weight_LGDH), leaf_B),
    )
    y_BGH = graph.add(
        "Add", graph.add("Squeeze", product, graph.int_vector(2)), graph.add("Gather", graph.constant(bias_LGH), leaf_B)
    )
    return graph.add("Transpose", y_BGH, perm=[1, 0, 2])


def _split(graph: GraphBuilder, h: str, leaf_B: str, weight_LGDH: Array, bias_LGH: Array) -> str:
    """y_GBH, each leaf's Linears on its own rows."""
    leaves = len(weight_LGDH)
    own_LB = graph.add("Equal", graph.constant(np.arange(leaves)[:, None]), leaf_B)
    size_L = graph.add("ReduceSum", graph.add("Cast", own_LB, to=TensorProto.INT64), graph.int_vector(1), keepdims=0)
    parts = graph.add_multi("Split", [h, size_L], leaves, axis=1)
    products = [
        graph.add("MatMul", part, graph.constant(weight_GDH))
        for part, weight_GDH in zip(parts, weight_LGDH, strict=True)
    ]
    bias_BGH = graph.add("Gather", graph.constant(bias_LGH), leaf_B)
    return graph.add("Add", graph.add("Concat", *products, axis=1), graph.add("Transpose", bias_BGH, perm=[1, 0, 2]))
