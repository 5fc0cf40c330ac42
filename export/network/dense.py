"""A fully connected layer: a Gemm, or a MatMul by a constant matrix, and why it may have to stay as it is."""

import math
from collections.abc import Iterator
from dataclasses import replace

import onnx

from export.layer import Layer
from export.network.attributes import Attributes, operator
from export.network.reasons import weight_reasons
from export.network.tensors import Tensors, UnknownShapeError


def is_dense(node: onnx.NodeProto, tensors: Tensors) -> bool:
    """Whether a node multiplies rows of features by one matrix.

    A MatMul may be anything else, such as the product of two activations in an attention.

    Raises:
        UnknownShapeError: The shape of what a MatMul reads is not known.
    """
    if operator(node) == "Gemm":
        return True
    if operator(node) != "MatMul" or node.input[1] not in tensors.weights:
        return False
    return len(tensors.weight_shape(node.input[1])) == 2 and len(tensors.known_shape(node.input[0])) == 2


def read_dense(node: onnx.NodeProto, tensors: Tensors) -> Layer:
    """A fully connected layer, with the reason where it cannot be reduced.

    Args:
        node: One for which ``is_dense`` holds.
        tensors: Of its network.

    Raises:
        UnknownShapeError: The shape of what it writes is not known.
        ModelRefusedError: An attribute is malformed.
    """
    attributes = Attributes(node)
    transposed = not attributes.integer("transB", 0)
    shape = tensors.weight_shape(node.input[1])
    if len(shape) != 2 or 0 in shape:
        raise UnknownShapeError(node.input[1])
    rows = tensors.known_shape(node.output[0])[0]
    layer = Layer(
        name=node.name or node.output[0],
        op_type=node.op_type,
        input=node.input[0],
        output=node.output[0],
        weight=node.input[1] if node.input[1] in tensors.weights else "",
        bias=node.input[2] if len(node.input) > 2 else "",
        out_channels=shape[1] if transposed else shape[0],
        in_channels=shape[0] if transposed else shape[1],
        kernel=(1, 1),
        stride=(1, 1),
        pads=(0, 0, 0, 0),
        dilation=(1, 1),
        group=1,
        input_size=(rows, 1),
        output_size=(rows, 1),
        transposed=transposed,
    )
    return replace(layer, reason=next(_reasons(layer, attributes, tensors), None))


def _reasons(layer: Layer, attributes: Attributes, tensors: Tensors) -> Iterator[str]:
    """Why a fully connected layer cannot be reduced; nothing if it can."""
    yield from weight_reasons(layer, tensors)
    factors = attributes.number("alpha", 1.0), attributes.number("beta", 1.0)
    if factors != (1.0, 1.0) or attributes.integer("transA", 0):
        yield "alpha, beta or transA is set"
    bias = tensors.weight_shape(layer.bias)
    if math.prod(bias) not in (1, layer.out_channels) or any(side != 1 for side in bias[:-1]):
        yield "its bias differs from row to row"
