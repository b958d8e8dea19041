"""`expand`: nodes of ONNX in place of the placeholders that an exported graph has for what its rows choose."""

from __future__ import annotations

from onnx import ModelProto, NodeProto

from aesm_dsl.serving import onnx_experts, onnx_leaves
from aesm_dsl.serving.onnx_graph import names_read

DOMAIN = "aesm"
"""Of all placeholders."""

MAKERS = {onnx_experts.NAME: onnx_experts.expanded, onnx_leaves.NAME: onnx_leaves.expanded}


def expand(model: ModelProto) -> None:
    """Puts nodes where the placeholders are, in the model itself."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[NodeProto] = []
    for place, node in enumerate(model.graph.node):
        if node.domain == DOMAIN:
            node.name = f"{node.op_type.lower()}{place}"
            nodes += MAKERS[node.op_type](node, tensors)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = set(names_read(model.graph))
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    imports = [one for one in model.opset_import if one.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(imports)
