"""Which activation follows a layer in an ONNX graph."""

import numpy as np
import onnx

from export.fit.nonlinearity import Nonlinearity, clip, hard_swish, leaky_relu, relu, silu
from export.network.attributes import Attributes, operator
from export.network.tensors import initialiser
from export.network.topology import consumers


def nonlinearity_after(model: onnx.ModelProto, tensor: str) -> Nonlinearity | None:
    """The activation that every reader of ``tensor`` applies; None for the identity, or one not known.

    Raises:
        ModelRefusedError: An attribute of it is malformed.
    """
    nodes = consumers(model, tensor)
    kinds = sorted(operator(node) for node in nodes)
    if tensor in {value.name for value in model.graph.output} or not nodes:
        return None
    if kinds == ["Mul", "Sigmoid"]:
        sigmoid, mul = sorted(nodes, key=operator, reverse=True)
        return silu() if set(mul.input) == {tensor, sigmoid.output[0]} else None
    return _single(model, nodes[0]) if len(nodes) == 1 else None


def _single(model: onnx.ModelProto, node: onnx.NodeProto) -> Nonlinearity | None:
    """The activation that one node applies; None if it is none, or not known."""
    kind = operator(node)
    if kind == "Relu":
        return relu()
    if kind == "HardSwish":
        return hard_swish()
    if kind == "LeakyRelu":
        return leaky_relu(Attributes(node).number("alpha", 0.01))
    if kind == "Clip":
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
