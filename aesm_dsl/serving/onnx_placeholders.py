"""`expand_placeholders`: replaces the placeholders in an exported graph by ONNX nodes.

A placeholder stands for a part of the network whose work depends on the experts or the leaves of the rows, which a
traced graph cannot express.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from aesm_dsl.serving import onnx_experts, onnx_leaves
from aesm_dsl.serving.onnx_graph import names_read
from aesm_dsl.serving.onnx_weights import Weights

DOMAIN = "aesm"
"""Domain of all placeholders."""

EXPANDERS = {onnx_experts.OPERATOR: onnx_experts.expand_experts, onnx_leaves.OPERATOR: onnx_leaves.expand_linears}


def expand_placeholders(model: ModelProto, weights: Weights) -> None:
    """Replaces the placeholders in the model itself, and removes the parameters that no node reads afterwards."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[NodeProto] = []
    for number, node in enumerate(model.graph.node):
        if node.domain == DOMAIN:
            node.name = f"{node.op_type.lower()}{number}"
            nodes += EXPANDERS[node.op_type](node, tensors, weights)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    read = set(names_read(model.graph))
    parameters = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(parameters)
    imports = [opset for opset in model.opset_import if opset.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(imports)
