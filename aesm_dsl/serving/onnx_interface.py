"""`name_interface`: gives an exported graph its inputs and outputs by name, for any number of rows, none included.

A batch without rows runs as one row, whose scores are cut off: with nothing to reduce or to compare, operators of many
runtimes fail, and some end the process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper

from aesm_dsl.plan.plan import Plan
from aesm_dsl.serving.export_inputs import ModelInput, model_inputs
from aesm_dsl.serving.onnx_graph import GraphBuilder
from aesm_dsl.serving.onnx_weights import Weights

INNER = "/"
"""Begins the name of every value inside the model. No name of a spec has it, so that a task may have any name."""


def name_interface(model: ModelProto, plan: Plan, weights: Weights) -> None:
    """Replaces the inputs and outputs of the exporter's graph, which are in the plan's order, in the model itself."""
    graph = model.graph
    _rename(graph)
    entrance = GraphBuilder(f"{INNER}entrance/", weights)
    inputs, tasks = model_inputs(plan), [task.name for task in plan.tasks.tasks]
    inner_inputs, inner_outputs = [each.name for each in graph.input], [each.name for each in graph.output]
    start_1 = entrance.int_vector(0)
    size_1 = entrance.add("Shape", inputs[0].name, start=0, end=1)
    missing_1 = entrance.add("Max", entrance.add("Sub", entrance.int_vector(1), size_1), start_1)
    fillers: dict[tuple[str, int | None, int], str] = {}
    for each, inner in zip(inputs, inner_inputs, strict=True):
        value = _filler(plan, each)
        key = each.datatype, each.slots, value
        if key not in fillers:
            row = np.full((1,) if each.slots is None else (1, each.slots), value, dtype=each.datatype)
            fillers[key] = entrance.add("Slice", entrance.constant(row), start_1, missing_1, start_1)
        joined = helper.make_node("Concat", [each.name, fillers[key]], [inner], f"{INNER}{each.name}", axis=0)
        entrance.nodes.append(joined)
    exits = [
        helper.make_node("Slice", [inner, start_1, size_1, start_1], [task], f"{INNER}{task}")
        for task, inner in zip(tasks, inner_outputs, strict=True)
    ]
    nodes = [*entrance.nodes, *graph.node, *exits]
    for field in (graph.node, graph.input, graph.output):
        del field[:]
    graph.node.extend(nodes)
    graph.initializer.extend(entrance.tensors)
    graph.input.extend(_value_info(each.name, each.datatype, each.slots) for each in inputs)
    graph.output.extend(_value_info(task, "float32", None) for task in tasks)


def _filler(plan: Plan, each: ModelInput) -> int:
    """The value of the row that stands in for no rows: a missing value, and a node of the first leaf."""
    if each.kind == "feature":
        return 0
    return plan.leaves[0][[level.name for level in plan.levels].index(each.owner)]


def _value_info(name: str, datatype: str, slots: int | None) -> Any:
    kind = TensorProto.INT64 if datatype == "int64" else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, ["rows"] if slots is None else ["rows", slots])


def _rename(graph: GraphProto) -> None:
    """Puts INNER before the name of every value of a graph, and of those in its branches."""
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [f"{INNER}{name}" if name else name for name in names]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g)
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = f"{INNER}{value.name}"
