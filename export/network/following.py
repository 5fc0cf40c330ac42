"""Which activation follows a layer in an ONNX graph."""

import numpy as np
import onnx

from export.fit.nonlinearity import Nonlinearity, clip, hard_swish, leaky_relu, relu, silu
from export.network.layers import attributes, initialiser
from export.network.topology import consumers


def nonlinearity_after(model: onnx.ModelProto, tensor: str) -> Nonlinearity | None:
    """The activation that every reader of ``tensor`` applies; None for the identity, or one not known."""
    nodes = consumers(model, tensor)
    kinds = sorted(node.op_type for node in nodes)
    if tensor in {value.name for value in model.graph.output} or not nodes:
        return None
    if kinds == ["Mul", "Sigmoid"]:
        sigmoid, mul = sorted(nodes, key=lambda node: node.op_type, reverse=True)
        return silu() if set(mul.input) == {tensor, sigmoid.output[0]} else None
    return _single(model, nodes[0]) if len(nodes) == 1 else None


def _single(model: onnx.ModelProto, node: onnx.NodeProto) -> Nonlinearity | None:
    fields = attributes(node)
    if node.op_type == "Relu":
        return relu()
    if node.op_type == "HardSwish":
        return hard_swish()
    if node.op_type == "LeakyRelu":
        return leaky_relu(float(fields.get("alpha", 0.01)))  # type: ignore[arg-type]
    if node.op_type == "Clip":
        return _clip(model, node)
    return None


def _clip(model: onnx.ModelProto, node: onnx.NodeProto) -> Nonlinearity | None:
    bounds = []
    for index, missing in ((1, -np.inf), (2, np.inf)):
        name = node.input[index] if len(node.input) > index else ""
        try:
            bounds.append(float(initialiser(model, name)) if name else missing)
        except KeyError:
            return None
    return clip(*bounds) if np.isfinite(bounds).all() else None
