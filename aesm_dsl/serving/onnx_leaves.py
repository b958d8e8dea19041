"""The Linears of leaves as ONNX nodes, of rows that lie sorted by leaf.

The exporter leaves a placeholder node for them. Two forms take its place, under an `If` on the number of rows:

gathered  every row takes the parameters of its own leaf: few nodes whatever the number of leaves, for few rows
split     one product for each leaf's own rows, for many rows

Axes: L leaves, G Linears side by side, B rows sorted by leaf, D input width, H output width.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from aesm_dsl.serving.onnx_graph import Array, Graph, up_to

NAME = "Linears"
"""Of the placeholder. Its inputs: h (G, B, D), or (1, B, D) for one input of all G; leaf_B, weight_LGDH, bias_LGH."""

FEW_ROWS = 2
"""Up to so many rows for each leaf the gathered form is the faster one:
`python bench/serving.py --leaves --experts 8 --set tasks.tower_per=leaf "tasks.tower=[128, 64]"`."""


def expanded(node: NodeProto, tensors: dict[str, TensorProto]) -> list[NodeProto]:
    """What stands for a placeholder: nodes whose last one gives its result y_GBH, both forms under an `If`."""
    h, leaf_B = node.input[:2]
    weight_LGDH, bias_LGH = (numpy_helper.to_array(tensors[name]) for name in node.input[2:])
    few, many = Graph(f"{node.name}/gathered/"), Graph(f"{node.name}/split/")
    parts = (h, leaf_B, weight_LGDH, bias_LGH)
    forms = (few, _gathered(few, *parts)), (many, _split(many, *parts))
    return up_to(FEW_ROWS * len(weight_LGDH), leaf_B, 0, *forms, name=node.name, result=node.output[0])


def _gathered(graph: Graph, h: str, leaf_B: str, weight_LGDH: Array, bias_LGH: Array) -> str:
    h_BGD = graph.add("Transpose", h, perm=[1, 0, 2])
    product = graph.add(
        "MatMul", graph.add("Unsqueeze", h_BGD, graph.ints(2)), graph.add("Gather", graph.hold(weight_LGDH), leaf_B)
    )
    y_BGH = graph.add(
        "Add", graph.add("Squeeze", product, graph.ints(2)), graph.add("Gather", graph.hold(bias_LGH), leaf_B)
    )
    return graph.add("Transpose", y_BGH, perm=[1, 0, 2])


def _split(graph: Graph, h: str, leaf_B: str, weight_LGDH: Array, bias_LGH: Array) -> str:
    leaves = len(weight_LGDH)
    own_LB = graph.add("Equal", graph.hold(np.arange(leaves)[:, None]), leaf_B)
    size_L = graph.add("ReduceSum", graph.add("Cast", own_LB, to=TensorProto.INT64), graph.ints(1), keepdims=0)
    parts = graph.several("Split", [h, size_L], leaves, axis=1)
    products = [graph.add("MatMul", part, graph.hold(own)) for part, own in zip(parts, weight_LGDH, strict=True)]
    bias_BGH = graph.add("Gather", graph.hold(bias_LGH), leaf_B)
    return graph.add("Add", graph.add("Concat", *products, axis=1), graph.add("Transpose", bias_BGH, perm=[1, 0, 2]))
