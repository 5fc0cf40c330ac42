"""The shapes of all tensors of a network for one image of a given size."""

import math
from collections.abc import Mapping, Sequence

import onnx
from onnx import shape_inference

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.input_form import InputForm
from export.network.topology import all_nodes, bodies_of

MAX_TENSOR_VALUES = 1 << 29  # 2 GiB of float32
CHANNELS = (3, 1)  # of an image, where the network leaves them free


def infer_shapes(
    model: onnx.ModelProto,
    form: InputForm,
    size: tuple[int, int],
    layout: str,
    where: str,
    *,
    hints: Mapping[str, onnx.ValueInfoProto] | None = None,
) -> list[onnx.ValueInfoProto]:
    """All tensors whose number of axes is known, for one image of a size; those in bodies included.

    Args:
        model: The network.
        form: Its image input.
        size: Height and width of the image.
        layout: Where the channels of the image are.
        where: What to call it in messages.
        hints: Tensors whose shape is known otherwise, by name.

    Raises:
        InputError: The network does not work with such images.
    """
    graph = _inferred(model, form, size, layout, where, hints=hints or {})
    bodies = [graph, *(body for node in all_nodes(graph) for body in bodies_of(node))]
    values = [value for body in bodies for value in (*body.value_info, *body.input, *body.output)]
    return [value for value in values if value.type.tensor_type.HasField("shape")]


def _inferred(
    model: onnx.ModelProto,
    form: InputForm,
    size: tuple[int, int],
    layout: str,
    where: str,
    *,
    hints: Mapping[str, onnx.ValueInfoProto],
) -> onnx.GraphProto:
    """The graph with what onnx infers, as many channels being tried as an image may have."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    image = next(value for value in sized.graph.input if value.name == form.name)
    dims = image.type.tensor_type.shape.dim
    for dim, length in zip(dims, form.lengths(size, layout), strict=True):
        if length is not None:
            dim.dim_value = length
    del sized.graph.value_info[:]  # symbolic sizes recorded there would win over the sizes set here
    sized.graph.value_info.extend(hints.values())
    for value in sized.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    channel = dims[layout.index("C")]
    refusals = []
    for channels in [channel.dim_value] if channel.dim_value else CHANNELS:
        channel.dim_value = channels
        try:
            return shape_inference.infer_shapes(sized, strict_mode=True, data_prop=True).graph
        except shape_inference.InferenceError as error:
            refusals.append(error)
    reason = " ".join(str(refusals[0]).split())[:200]
    raise InputError(
        f"{where} does not work with {size[0]}x{size[1]} images: {reason}{form.layout_hint}"
    ) from refusals[0]


def require_possible(shapes: Mapping[str, tuple[int, ...]], size: tuple[int, int], where: str) -> None:
    """Refuse tensors that cannot be, as inferred for images of a size.

    Raises:
        InputError: A side is below zero: a kernel is larger than the image before it.
        ModelRefusedError: A tensor is huge. A few bytes of ONNX can ask for any amount of memory.
    """
    for name, shape in shapes.items():
        sides = "x".join(str(side) for side in shape)
        if min(shape, default=0) < 0:
            raise InputError(
                f"{where} does not work with {size[0]}x{size[1]} images: {name!r} would be {sides}"
            )
        require_modest(name, shape, where)


def require_modest(name: str, shape: Sequence[int], where: str) -> None:
    """Raise ``ModelRefusedError`` if a tensor is huge."""
    if math.prod(shape) > MAX_TENSOR_VALUES:
        sides = "x".join(str(side) for side in shape)
        raise ModelRefusedError(f"{where}: tensor {name!r} of {sides} values is too large to be run")
