"""An ONNX graph as a list of layers, each reducible or with the reason why not."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

import onnx

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.input_form import layout_of, only_input, require_axes
from export.layer import CountedNode, Layer
from export.network.content import image_dependence
from export.network.convolutions import is_convolution, read_convolution
from export.network.dense import is_dense, read_dense
from export.network.inputs import image_size, input_forms
from export.network.load import load_model
from export.network.measured import Measured, measure
from export.network.private_channels import PrivateChannels, private_channels
from export.network.reasons import SAME_FOR_ALL, why_none
from export.network.shapes import infer_shapes, require_possible
from export.network.source import SourceModel
from export.network.tally import Surroundings, Tally, Uncounted, tally_of, without_size
from export.network.tensors import Tensors, UnknownShapeError, Weights, initialiser, tensors_of


@dataclass(frozen=True)
class ReducibleNetwork:
    """A network read for reduction: its model, and what is known of its layers and tensors.

    Attributes:
        model: The checked model, batch norm folded.
        layers: Its convolutions and fully connected layers in order of execution.
        input_name: Name of its single input.
        input_size: Height and width the shapes were inferred for.
        layout: Where the channels of its input are: ``NCHW`` or ``NHWC``.
        shapes: Shape of each tensor for one image of that size.
        float_tensors: The tensors of type float32 whose shape is known.
        counted: All else in it that multiplies, in order of execution.
        uncounted: What multiplies, or may, and cannot be counted: one for each node.
        obstacle: Why nothing of it can be reduced, whatever its layers are; None where nothing is against it.
        measured: Shapes that only a run could tell.
    """

    model: onnx.ModelProto
    layers: tuple[Layer, ...]
    input_name: str
    input_size: tuple[int, int]
    layout: str
    shapes: Mapping[str, tuple[int, ...]]
    float_tensors: frozenset[str]
    counted: tuple[CountedNode, ...] = ()
    uncounted: tuple[Uncounted, ...] = ()
    obstacle: str | None = None
    measured: Measured = field(default_factory=Measured)

    @property
    def rows(self) -> tuple[Layer | CountedNode, ...]:
        """Layers and all else that is counted, in order of execution."""
        places = {name: place for place, node in enumerate(self.model.graph.node) for name in node.output}
        rows: list[Layer | CountedNode] = [*self.layers, *self.counted]
        return tuple(sorted(rows, key=lambda row: places[row.output]))

    @property
    def macs(self) -> int:
        """Multiply-adds for one image of all that is counted."""
        return sum(row.macs for row in self.rows)

    @property
    def parameters(self) -> int:
        """Weights and biases of all that is counted."""
        return sum(row.parameters for row in self.rows)

    @property
    def reducible(self) -> tuple[Layer, ...]:
        """The layers that can be reduced."""
        return tuple(layer for layer in self.layers if layer.reason is None)

    def array(self, name: str) -> Weights:
        """A weight of the network as an array. Raises ``KeyError`` if there is none of that name."""
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
        ModelRefusedError: The network is malformed, or nothing in it multiplies.
    """
    model = load_model(source)
    try:
        return network_of(model, input_size, str(source.path), layout)
    except ModelRefusedError as error:
        if source.input.layout_hint and layout != "NHWC":
            raise ModelRefusedError(f"{error}{source.input.layout_hint}") from error
        raise


def network_of(
    model: onnx.ModelProto,
    input_size: tuple[int, int] | None,
    where: str,
    layout: str | None = None,
    measured: Measured | None = None,
) -> ReducibleNetwork:
    """Understand a model in memory as layers.

    Args:
        model: Checked, its weights as initialisers; the network refers to it and does not copy it.
        input_size: Height and width of the input, for networks that leave them free.
        where: What to call it in messages.
        layout: Where the channels of its input are: ``NCHW`` or ``NHWC``; None where the shape of the input
            shall tell.
        measured: What a run has told of the network it was reduced from: it is not run again.

    Raises:
        InputError: Its shapes cannot be known without ``input_size``, or not be with it.
        ModelRefusedError: It has several inputs or one that is for no image, a malformed attribute, or
            nothing in it multiplies.
    """
    form = only_input(input_forms(model), where)
    require_axes(form, where)
    layout = layout_of(form, layout, where)
    size = image_size(form, input_size, layout, where)
    pairs = private_channels(model)
    told = measured or Measured()
    values = infer_shapes(model, form, size, layout, where, hints=_hints(told, pairs))
    shapes = _agreed(values)
    require_possible(shapes, size, where)
    tensors = tensors_of(model, shapes)
    try:
        layers, tally = _read(model, tensors, told)
    except UnknownShapeError as unknown:
        image = next(value for value in values if value.name == form.name)
        return network_of(model, size, where, layout, _measured(model, image, unknown, told, where))
    if not (layers or tally.counted or tally.uncounted):
        raise ModelRefusedError(f"{where} has no Conv and no Gemm layer: there is nothing to reduce")
    obstacle = why_none(model)
    depends = image_dependence(model, form.name)
    varied = {name for name, dependence in depends.items() if dependence.values}
    return ReducibleNetwork(
        model=model,
        layers=tuple(_finished(layer, pairs, varied, obstacle) for layer in layers),
        input_name=form.name,
        input_size=size,
        layout=layout,
        shapes=shapes,
        float_tensors=_floats(values, shapes),
        counted=tally.counted,
        uncounted=tally.uncounted,
        obstacle=obstacle,
        measured=told,
    )


def _hints(told: Measured, pairs: Mapping[str, PrivateChannels]) -> dict[str, onnx.ValueInfoProto]:
    """The shapes that a run has told, but for tensors that may be narrower since: onnx infers those."""
    narrowed = frozenset[str]().union(*(pair.between for pair in pairs.values()))
    return {name: value for name, value in told.values.items() if name not in narrowed}


def _agreed(values: Iterable[onnx.ValueInfoProto]) -> dict[str, tuple[int, ...]]:
    """Shapes by name; in the branches of an If two tensors may share a name, and differ."""
    shapes: dict[str, tuple[int, ...]] = {}
    for value in values:
        shape = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        if shapes.setdefault(value.name, shape) != shape:
            shapes[value.name] = (0,) * len(shape)
    return shapes


def _floats(values: Iterable[onnx.ValueInfoProto], shapes: Mapping[str, tuple[int, ...]]) -> frozenset[str]:
    kind = onnx.TensorProto.FLOAT
    return frozenset(
        v.name for v in values if v.type.tensor_type.elem_type == kind and 0 not in shapes[v.name]
    )


def _read(model: onnx.ModelProto, tensors: Tensors, told: Measured) -> tuple[list[Layer], Tally]:
    """The layers, and all else that multiplies. Raises ``UnknownShapeError`` where a run may tell a shape."""
    held = {name: tuple(tensor.dims) for name, tensor in tensors.weights.items()}
    around = Surroundings({**tensors.shapes, **held}, tensors.weights, told.varying)
    layers, tally = [], Tally()
    for node in model.graph.node:
        try:
            if is_convolution(node, tensors):
                layers.append(read_convolution(node, tensors))
            elif is_dense(node, tensors):
                layers.append(read_dense(node, tensors))
            else:
                tally += tally_of(node, around)
        except UnknownShapeError as unknown:
            tally += without_size(node, unknown, around)
    return layers, tally


def _measured(
    model: onnx.ModelProto, image: onnx.ValueInfoProto, unknown: UnknownShapeError, told: Measured, where: str
) -> Measured:
    """What a run tells, where nothing was run yet. Raises ``InputError`` if it cannot tell what is needed."""
    missing = f"{where}: the shape of tensor {unknown.args[0]!r} cannot be known"
    if told.varying is not None:
        raise InputError(missing) from unknown
    try:
        return measure(model, image)
    except ModelRefusedError as error:
        raise InputError(f"{missing}: {error}") from error


def _finished(
    layer: Layer, pairs: Mapping[str, PrivateChannels], varied: Container[str], obstacle: str | None
) -> Layer:
    """A layer with its source, and the reasons that lie in the rest of the network."""
    source = pairs[layer.output].source if layer.output in pairs else ""
    reason = layer.reason or (None if layer.input in varied else SAME_FOR_ALL) or obstacle
    return replace(layer, source=source, reason=reason)
