"""`Graph`: ONNX nodes and parameters as they are made, with a name for every result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(slots=True)
class Graph:
    """The nodes and constants of one graph, whose names begin with `prefix`."""

    prefix: str
    nodes: list[NodeProto] = field(default_factory=list)
    tensors: list[TensorProto] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The name of a new node's result."""
        return self.several(kind, inputs, 1, **attributes)[0]

    def several(self, kind: str, inputs: Sequence[str], results: int, **attributes: Any) -> list[str]:
        names = [f"{self.prefix}{len(self.nodes)}_{place}" for place in range(results)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names

    def hold(self, array: Array) -> str:
        """The name of a constant."""
        name = f"{self.prefix}c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def ints(self, *values: int) -> str:
        return self.hold(np.array(values, dtype=np.int64))

    def int(self, value: int) -> str:
        """A constant without axes."""
        return self.hold(np.array(value, dtype=np.int64))

    def branch(self, result: str) -> GraphProto:
        """The graph as a branch of an `If`."""
        output = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
        return helper.make_graph(self.nodes, self.prefix, [], [output], self.tensors)


def up_to(
    rows: int, tensor: str, axis: int, few: tuple[Graph, str], many: tuple[Graph, str], *, name: str, result: str
) -> list[NodeProto]:
    """Nodes that give `result`: by `few`, a graph and its result, for up to so many rows of a tensor, else by `many`.

    axis  the tensor's, of rows
    """
    outer = Graph(f"{name}/")
    size = outer.add("Shape", tensor, start=axis, end=axis + 1)
    limit = outer.add("Constant", value=numpy_helper.from_array(np.array([rows], dtype=np.int64)))
    condition = outer.add("LessOrEqual", size, limit)
    branches = {"then_branch": few[0].branch(few[1]), "else_branch": many[0].branch(many[1])}
    return [*outer.nodes, helper.make_node("If", [condition], [result], f"{name}/if", **branches)]


def names_read(graph: GraphProto) -> Iterator[str]:
    """Of all that nodes read, in branches too, and of the graph's outputs."""
    for node in graph.node:
        yield from node.input
        for one in node.attribute:
            if one.HasField("g"):
                yield from names_read(one.g)
    yield from (output.name for output in graph.output)
