"""`GraphBuilder`: builds ONNX nodes and constants, and names every result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from aesm_dsl.serving.onnx_weights import Array, Weights


@dataclass(slots=True)
class GraphBuilder:
    """The nodes and constants of one graph; all their names begin with `prefix`."""

    prefix: str
    weights: Weights
    """Keeps the large constants."""
    nodes: list[NodeProto] = field(default_factory=list)
    tensors: list[TensorProto] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node of this operator, and returns the name of its result."""
        return self.add_multi(kind, inputs, 1, **attributes)[0]

    def add_multi(self, kind: str, inputs: Sequence[str], results: int, **attributes: Any) -> list[str]:
        """Adds a node with several results, and returns their names."""
        names = [f"{self.prefix}{len(self.nodes)}_{number}" for number in range(results)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names

    def constant(self, array: Array) -> str:
        """Adds a constant, and returns its name."""
        name = f"{self.prefix}c{len(self.tensors)}"
        self.tensors.append(self.weights.tensor(array, name))
        return name

    def int_vector(self, *values: int) -> str:
        """Adds a constant with one axis, and returns its name."""
        return self.constant(np.array(values, dtype=np.int64))

    def int_scalar(self, value: int) -> str:
        """Adds a constant without axes, and returns its name."""
        return self.constant(np.array(value, dtype=np.int64))

    def branch(self, result: str) -> GraphProto:
        """Returns the graph as a branch of an `If`, with this result."""
        output = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
        return helper.make_graph(self.nodes, self.prefix, [], [output], self.tensors)


def choose_by_rows(
    rows: int,
    tensor: str,
    axis: int,
    few: tuple[GraphBuilder, str],
    many: tuple[GraphBuilder, str],
    *,
    name: str,
    result: str,
) -> list[NodeProto]:
    """Returns nodes that compute `result` in one of two ways, by the number of rows of a tensor.

    Args:
        rows: the most rows for which `few` is taken.
        tensor: the tensor.
        axis: the tensor's axis of rows.
        few: a graph and the name of its result.
        many: the same, for more rows.
        name: prefix of the nodes' names.
        result: name of the result.
    """
    outer = GraphBuilder(f"{name}/", few[0].weights)
    size = outer.add("Shape", tensor, start=axis, end=axis + 1)
    limit = outer.add("Constant", value=numpy_helper.from_array(np.array([rows], dtype=np.int64)))
    condition = outer.add("LessOrEqual", size, limit)
    branches = {"then_branch": few[0].branch(few[1]), "else_branch": many[0].branch(many[1])}
    return [*outer.nodes, helper.make_node("If", [condition], [result], f"{name}/if", **branches)]


def names_read(graph: GraphProto) -> Iterator[str]:
    """Yields the names of everything that nodes read, in branches too, and of the graph's outputs."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            if attribute.HasField("g"):  # a branch of an `If`
                yield from names_read(attribute.g)
    yield from (output.name for output in graph.output)
