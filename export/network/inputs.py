"""The inputs of a network, as the file itself declares them."""

import onnx

from edge_runtime.base.errors import InputError
from edge_runtime.model.input_form import CHANNELS, InputForm


def input_forms(model: onnx.ModelProto) -> list[InputForm]:
    """The inputs that must be fed: not those with a default, as all weights were before IR version 4."""
    weights = {tensor.name for tensor in model.graph.initializer}
    weights |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    return [_form(value) for value in model.graph.input if value.name not in weights]


def image_size(form: InputForm, asked: tuple[int, int] | None, layout: str, where: str) -> tuple[int, int]:
    """Height and width of the images that a network takes: as asked, or its own.

    Args:
        form: Its input.
        asked: Height and width in pixels; None where its own shall do.
        layout: Where its channels are: ``NCHW`` or ``NHWC``.
        where: What to call it in messages.

    Raises:
        InputError: It leaves them free and none are asked for, or it takes no images of that size.
    """
    height, width = form.size(layout)
    if asked is None:
        if height is None or width is None:
            raise InputError(f"{where} leaves its input size free: give --input-size HxW, or a model card")
        return height, width
    if not form.takes(asked, layout):
        if form.channels(layout) not in (None, *CHANNELS):
            raise InputError(f"{where}: input {form.words()} has neither 1 nor 3 channels, as pictures have")
        own = "x".join("?" if side is None else str(side) for side in (height, width))
        raise InputError(f"{where} takes {own} images only, not {asked[0]}x{asked[1]}{form.layout_hint}")
    return asked


def _form(value: onnx.ValueInfoProto) -> InputForm:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return InputForm(value.name, kind or "value of no type", ())
    tensor = value.type.tensor_type
    known = tensor.elem_type in onnx.TensorProto.DataType.values()
    name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower() if known else str(tensor.elem_type)
    # A length that is free has a name, or none; some exporters write it as -1.
    lengths = (dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim)
    return InputForm(value.name, f"tensor({name})", tuple(lengths))
