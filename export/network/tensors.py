"""What is known of a network's tensors before its nodes are read as layers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from export.network.attributes import operator
from export.network.topology import reads

Weights = NDArray[np.float32]


class UnknownShapeError(Exception):
    """The shape of a tensor is needed and not known; the one argument is the tensor's name."""


@dataclass(frozen=True)
class Tensors:
    """What is known of all tensors of a network.

    Attributes:
        shapes: Shape of each for one image; a length of 0 is not known, nor is any of a tensor not named.
        weights: Those that the file holds, by name.
        uses: How many nodes read each.
        dequantised: Those that a DequantizeLinear writes.
    """

    shapes: Mapping[str, tuple[int, ...]]
    weights: Mapping[str, onnx.TensorProto]
    uses: Mapping[str, int]
    dequantised: frozenset[str]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an activation; empty where not even the number of its axes is known."""
        return self.shapes.get(name, ())

    def known_shape(self, name: str) -> tuple[int, ...]:
        """Shape of an activation, every length of it known. Raises ``UnknownShapeError``."""
        return known_shape(self.shapes, name)

    def weight_shape(self, name: str) -> tuple[int, ...]:
        """Shape of a weight, from the file or else as inferred; empty where it is not known at all."""
        weight = self.weights.get(name)
        return tuple(weight.dims) if weight is not None else self.shape(name)


def known_shape(shapes: Mapping[str, tuple[int, ...]], name: str) -> tuple[int, ...]:
    """One of some shapes, every length of it known. Raises ``UnknownShapeError``."""
    shape = shapes.get(name)
    if shape is None or 0 in shape:
        raise UnknownShapeError(name)
    return shape


def tensors_of(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> Tensors:
    """What a model's graph says of its tensors, beside the shapes inferred for them."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    uses = Counter(name for node in model.graph.node for name in reads(node))
    dequantised = (node.output[0] for node in model.graph.node if operator(node) == "DequantizeLinear")
    return Tensors(shapes, weights, uses, frozenset(dequantised))


def held_constant(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor that a Constant node holds; None for any other node, and where it holds no tensor."""
    if operator(node) != "Constant":
        return None
    return next((a.t for a in node.attribute if a.name == "value" and a.HasField("t")), None)


def initialiser(model: onnx.ModelProto, name: str) -> Weights:
    """An initialiser as a float32 array. Raises ``KeyError`` if there is none of that name."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            return numpy_helper.to_array(tensor)
    raise KeyError(name)
