"""A Conv node as a layer: its geometry in figures, and why it may have to stay as it is."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import onnx

from edge_runtime.base.errors import ModelRefusedError
from export.layer import Layer
from export.network.attributes import Attributes, operator
from export.network.reasons import weight_reasons
from export.network.tensors import Tensors

PADDINGS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def is_convolution(node: onnx.NodeProto, tensors: Tensors) -> bool:
    """Whether a node is a convolution of the image alone, and not of several parts of it at once.

    Raises:
        UnknownShapeError: The shape of what it reads is not known.
    """
    return operator(node) == "Conv" and tensors.known_shape(node.input[0])[0] == 1


def read_convolution(node: onnx.NodeProto, tensors: Tensors) -> Layer:
    """A Conv as a layer, with the reason where it cannot be reduced.

    A convolution over one axis or three has figures of two, folded so that its costs come out right.

    Raises:
        UnknownShapeError: The shape before or after it is not known.
        ModelRefusedError: An attribute is malformed, or it does not fit its input.
    """
    name = node.name or node.output[0]
    geometry = _geometry(node, name, tensors)
    axes = len(geometry.kernel)
    layer = Layer(
        name=name,
        op_type="Conv",
        input=node.input[0],
        output=node.output[0],
        weight=node.input[1] if node.input[1] in tensors.weights else "",
        bias=node.input[2] if len(node.input) > 2 else "",
        out_channels=tensors.shape(node.output[0])[1],
        in_channels=tensors.shape(node.input[0])[1],
        kernel=_folded(geometry.kernel),
        stride=_folded(geometry.strides),
        pads=(0, 0, 0, 0),
        dilation=_folded(geometry.dilations),
        group=geometry.group,
        input_size=_folded(geometry.input_size),
        output_size=_folded(geometry.output_size),
    )
    if axes == 2:
        layer = replace(layer, pads=_pads(layer, Attributes(node)))
    return replace(layer, reason=next(_reasons(layer, axes, tensors), None))


def padding_mode(attributes: Attributes) -> str:
    """The rule by which a Conv pads its input; ``NOTSET`` where ``pads`` says it in figures.

    Raises:
        ModelRefusedError: There is no such rule.
    """
    return attributes.text("auto_pad", "NOTSET", PADDINGS)


@dataclass(frozen=True)
class _Geometry:
    """Lengths along each axis of a convolution over any number of them."""

    input_size: tuple[int, ...]
    output_size: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    group: int


def _geometry(node: onnx.NodeProto, name: str, tensors: Tensors) -> _Geometry:
    before, after = tensors.known_shape(node.input[0]), tensors.known_shape(node.output[0])
    attributes = Attributes(node)
    ones = (1,) * (len(before) - 2)
    weight = tensors.weight_shape(node.input[1])
    known = weight[2:] if all(weight[2:]) else ()  # where weights are computed, a length of theirs may not be
    kernel = attributes.integers("kernel_shape", known or ones)
    group = attributes.integer("group", 1)
    if group < 1 or before[1] % group:
        raise ModelRefusedError(f"the {before[1]} channels before layer {name} do not make {group} groups")
    due = (before[1] // group, *kernel)
    if any(own not in (0, length) for own, length in zip(weight[1:], due, strict=False)):
        sizes = "x".join(map(str, weight[1:])), "x".join(map(str, due))
        raise ModelRefusedError(f"the weights of layer {name} are {sizes[0]} for each filter, not {sizes[1]}")
    return _Geometry(
        input_size=before[2:],
        output_size=after[2:],
        kernel=kernel,
        strides=attributes.integers("strides", ones),
        dilations=attributes.integers("dilations", ones),
        group=group,
    )


def _folded(lengths: Sequence[int]) -> tuple[int, int]:
    """Lengths along any number of axes as two of the same product."""
    return math.prod(lengths[:-1]), math.prod(lengths[-1:])


def _pads(layer: Layer, attributes: Attributes) -> tuple[int, int, int, int]:
    """Top, left, bottom, right in figures, also where the node only names a rule for them."""
    mode = padding_mode(attributes)
    if not mode.startswith("SAME"):
        top, left, bottom, right = attributes.integers("pads", (0, 0, 0, 0))
        return top, left, bottom, right
    (top, bottom), (left, right) = (_same(layer, axis, mode) for axis in (0, 1))
    return top, left, bottom, right


def _same(layer: Layer, axis: int, mode: str) -> tuple[int, int]:
    """Zeros before and after an image along one axis; an odd one goes to the side that the mode names."""
    reach = layer.dilation[axis] * (layer.kernel[axis] - 1) + 1
    span = (layer.output_size[axis] - 1) * layer.stride[axis] + reach
    total = max(0, span - layer.input_size[axis])
    less, more = total // 2, total - total // 2
    return (less, more) if mode == "SAME_UPPER" else (more, less)


def _reasons(layer: Layer, axes: int, tensors: Tensors) -> Iterator[str]:
    """Why a Conv cannot be reduced; nothing if it can."""
    if axes != 2:
        yield f"a convolution over {axes} axes, not 2"
    yield from weight_reasons(layer, tensors)
    if 1 < layer.group == layer.in_channels:
        yield "depthwise"
