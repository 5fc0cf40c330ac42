"""The shapes of all tensors of a network for one image of a given size."""

import math
from collections.abc import Mapping

import onnx
from onnx import shape_inference

from edge_runtime.base.errors import InputError, ModelRefusedError

MAX_TENSOR_VALUES = 1 << 29  # 2 GiB of float32


def input_size_of(value: onnx.ValueInfoProto, asked: tuple[int, int] | None, where: str) -> tuple[int, int]:
    """Height and width of an image input: as asked, or its own. Raises if it has none or they differ."""
    dims = value.type.tensor_type.shape.dim
    if len(dims) != 4:
        raise ModelRefusedError(
            f"{where}: input {value.name!r} has {len(dims)} dimensions; an image input (N, C, H, W) is needed"
        )
    own = (dims[2].dim_value, dims[3].dim_value)
    if asked is None and 0 in own:
        raise InputError(f"{where} leaves its input size free: give --input-size HxW, or a model card")
    size = asked or own
    if any(fixed and fixed != wanted for fixed, wanted in zip(own, size, strict=True)):
        raise InputError(f"{where} takes {own[0]}x{own[1]} images only, not {size[0]}x{size[1]}")
    return size


def infer_shapes(
    model: onnx.ModelProto, input_name: str, size: tuple[int, int], where: str
) -> list[onnx.ValueInfoProto]:
    """All tensors with their shapes, for one image of a size. Raises ``InputError`` if that is impossible."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        if value.name == input_name:
            for dim, length in zip(value.type.tensor_type.shape.dim, (1, None, *size), strict=True):
                if length is not None:
                    dim.dim_value = length
    del sized.graph.value_info[:]  # symbolic sizes recorded there would win over the sizes set here
    for value in sized.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    try:
        inferred = shape_inference.infer_shapes(sized, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{where} does not work with {size[0]}x{size[1]} images: {reason}") from error
    return [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]


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
        if math.prod(shape) > MAX_TENSOR_VALUES:
            raise ModelRefusedError(f"{where}: tensor {name!r} of {sides} values is too large to be run")
