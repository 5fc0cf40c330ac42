"""An ONNX graph as a list of layers, each reducible or with the reason why not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import onnx

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.input_form import layout_of, only_input, require_axes
from export.layer import Layer
from export.network.attributes import operator
from export.network.convolutions import read_convolution
from export.network.dense import is_dense, read_dense
from export.network.inputs import image_size, input_forms
from export.network.load import load_model
from export.network.private_channels import private_channels
from export.network.shapes import infer_shapes, require_possible
from export.network.source import SourceModel
from export.network.tensors import Tensors, Weights, initialiser, tensors_of


@dataclass(frozen=True)
class ReducibleNetwork:
    """A network read for reduction.

    Attributes:
        model: The checked model, batch norm folded.
        layers: Its convolutions and fully connected layers in order of execution.
        input_name: Name of its single input.
        input_size: Height and width the shapes were inferred for.
        layout: Where the channels of its input are: ``NCHW`` or ``NHWC``.
        shapes: Shape of each tensor for one image of that size.
        float_tensors: The tensors of type float32 whose shape is known.
    """

    model: onnx.ModelProto
    layers: tuple[Layer, ...]
    input_name: str
    input_size: tuple[int, int]
    layout: str
    shapes: Mapping[str, tuple[int, ...]]
    float_tensors: frozenset[str]

    @property
    def macs(self) -> int:
        """Multiply-adds of all layers for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def reducible(self) -> tuple[Layer, ...]:
        """The layers that can be reduced."""
        return tuple(layer for layer in self.layers if layer.reason is None)

    def array(self, name: str) -> Weights:
        """An initialiser as an array. Raises ``KeyError`` if there is none of that name."""
        return initialiser(self.model, name)


def read_network(
    source: SourceModel, input_size: tuple[int, int] | None = None, layout: str | None = None
) -> ReducibleNetwork:
    """Check an ONNX file that was read, and understand it as layers.

    Args:
        source: The file; its batch is one image, or free.
        input_size: Height and width of the input, for networks that leave them free.
        layout: Where the channels of its input are, as its card says: ``NCHW`` or ``NHWC``; None where the
            shape of the input shall tell.

    Raises:
        InputError: Its shapes cannot be known without ``input_size``, or not be with it.
        ModelRefusedError: The network is malformed, or has no Conv and no Gemm.
    """
    return network_of(load_model(source), input_size, str(source.path), layout)


def network_of(
    model: onnx.ModelProto, input_size: tuple[int, int] | None, where: str, layout: str | None = None
) -> ReducibleNetwork:
    """Understand a model in memory as layers.

    Args:
        model: Checked, its weights as initialisers; the network refers to it and does not copy it.
        input_size: Height and width of the input, for networks that leave them free.
        where: What to call it in messages.
        layout: Where the channels of its input are: ``NCHW`` or ``NHWC``; None where the shape of the input
            shall tell.

    Raises:
        InputError: Its shapes cannot be known without ``input_size``, or not be with it.
        ModelRefusedError: It has several inputs or one that is for no image, a malformed attribute, or no
            Conv and no Gemm.
    """
    form = only_input(input_forms(model), where)
    require_axes(form, where)
    layout = layout_of(form, layout, where)
    size = image_size(form, input_size, layout, where)
    values = infer_shapes(model, form, size, layout, where)
    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
    require_possible(shapes, size, where)
    pairs = private_channels(model)
    layers = tuple(
        replace(layer, source=pairs[layer.output].source) if layer.output in pairs else layer
        for layer in _layers(model, tensors_of(model, shapes))
    )
    if not layers:
        raise ModelRefusedError(f"{where} has no Conv and no Gemm layer: there is nothing to reduce")
    floats = frozenset(
        v.name
        for v in values
        if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT and 0 not in shapes[v.name]
    )
    return ReducibleNetwork(model, layers, form.name, size, layout, shapes, floats)


def _layers(model: onnx.ModelProto, tensors: Tensors) -> Iterator[Layer]:
    for node in model.graph.node:
        if operator(node) == "Conv":
            yield read_convolution(node, tensors)
        elif is_dense(node, tensors):
            yield read_dense(node, tensors)
