"""The shapes of all tensors of a network for one image of a given size."""

import math
from collections.abc import Mapping

import onnx
from onnx import shape_inference

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.input_form import InputForm

MAX_TENSOR_VALUES = 1 << 29  # 2 GiB of float32


def infer_shapes(
    model: onnx.ModelProto, form: InputForm, size: tuple[int, int], layout: str, where: str
) -> list[onnx.ValueInfoProto]:
    """All tensors with their shapes, for one image of a size. Raises ``InputError`` if that is impossible."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in sized.graph.input:
        if value.name == form.name:
            for dim, length in zip(value.type.tensor_type.shape.dim, form.lengths(size, layout), strict=True):
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
        raise InputError(
            f"{where} does not work with {size[0]}x{size[1]} images: {reason}{form.layout_hint}"
        ) from error
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
