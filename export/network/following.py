"""Which activation follows a layer in an ONNX graph."""

import math

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
        slope = Attributes(node).number("alpha", 0.01)
        return leaky_relu(slope) if 0 <= slope < math.inf else None  # the solver takes only what rises
    if kind == "Clip":
        return _clip(model, node)
    return None


def _clip(model: onnx.ModelProto, node: onnx.NodeProto) -> Nonlinearity | None:
    """A Clip between two constants; None where a bound is missing, computed, or not below the other."""
    low, high = (_bound(model, node, index, name) for index, name in ((1, "min"), (2, "max")))
    if low is None or high is None or not -math.inf < low < high < math.inf:
        return None
    return clip(low, high)


def _bound(model: onnx.ModelProto, node: onnx.NodeProto, index: int, name: str) -> float | None:
    """A bound of a Clip, an attribute before operator set 11; None where it is missing or computed."""
    if len(node.input) > index:
        return _constant(model, node.input[index])
    return Attributes(node).number(name, math.inf)


def _constant(model: onnx.ModelProto, name: str) -> float | None:
    """The single number that an initialiser holds; None where there is none of that name."""
    try:
        values = initialiser(model, name)
    except KeyError:
        return None
    return float(values.item()) if values.size == 1 else None
