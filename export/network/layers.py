"""An ONNX graph as a list of layers, each reducible or with the reason why not."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edge_runtime.base.errors import InputError, ModelRefusedError
from export.layer import Layer
from export.network.load import image_inputs, load_model
from export.network.private_channels import private_channels
from export.network.shapes import infer_shapes, input_size_of, refuse_boundless
from export.network.topology import reads

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class ReducibleNetwork:
    """A network read for reduction.

    Attributes:
        model: The checked model, batch norm folded.
        layers: Its convolutions and fully connected layers in order of execution.
        input_name: Name of its single input.
        input_size: Height and width the shapes were inferred for.
        shapes: Shape of each tensor for one image of that size.
        float_tensors: The tensors of type float32 whose shape is known.
    """

    model: onnx.ModelProto
    layers: tuple[Layer, ...]
    input_name: str
    input_size: tuple[int, int]
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
        """An initialiser as an array."""
        return initialiser(self.model, name)


def read_network(path: Path, input_size: tuple[int, int] | None = None) -> ReducibleNetwork:
    """Read an ONNX file as layers.

    Args:
        path: The file.
        input_size: Height and width of the input, for networks that leave them free.

    Raises:
        InputError: The file is no ONNX network, or its shapes cannot be known without ``input_size``.
        ModelRefusedError: The network is malformed, has several inputs, or has no Conv and no Gemm.
    """
    return describe(load_model(path), input_size, str(path))


def describe(model: onnx.ModelProto, input_size: tuple[int, int] | None, where: str) -> ReducibleNetwork:
    """The layers of a loaded model: see ``read_network``."""
    inputs = image_inputs(model)
    if len(inputs) != 1:
        raise ModelRefusedError(f"{where} has {len(inputs)} inputs; a network with one image input is needed")
    size = input_size_of(inputs[0], input_size, where)
    values = infer_shapes(model, inputs[0].name, size, where)
    shapes = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
    refuse_boundless(shapes, where)
    pairs = private_channels(model)
    layers = tuple(
        replace(layer, source=pairs[layer.output].source) if layer.output in pairs else layer
        for layer in _layers(model, shapes)
    )
    if not layers:
        raise ModelRefusedError(f"{where} has no Conv and no Gemm layer: there is nothing to reduce")
    floats = frozenset(
        v.name
        for v in values
        if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT and 0 not in shapes[v.name]
    )
    return ReducibleNetwork(model, layers, inputs[0].name, size, shapes, floats)


def initialiser(model: onnx.ModelProto, name: str) -> Weights:
    """An initialiser as a float32 array. Raises ``KeyError`` if there is none of that name."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            return numpy_helper.to_array(tensor)
    raise KeyError(name)


def attributes(node: onnx.NodeProto) -> dict[str, object]:
    """A node's attributes by name."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def _layers(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> list[Layer]:
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    uses = Counter(name for node in model.graph.node for name in reads(node))
    layers = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            layers.append(_conv(node, shapes, weights, uses))
        elif node.op_type == "Gemm" or _is_dense_matmul(node, shapes, weights):
            layers.append(_fully_connected(node, shapes, weights, uses))
    return layers


def _conv(
    node: onnx.NodeProto,
    shapes: Mapping[str, tuple[int, ...]],
    weights: Mapping[str, onnx.TensorProto],
    uses: Counter[str],
) -> Layer:
    name = node.name or node.output[0]
    before, after = (shapes.get(tensor, ()) for tensor in (node.input[0], node.output[0]))
    if 0 in before or 0 in after or not (before and after):
        raise InputError(f"the shape at layer {name} cannot be known: give --input-size HxW")
    weight = weights.get(node.input[1])
    fields = attributes(node)
    if weight is not None and weight.dims[1] * int(fields.get("group", 1)) != before[1]:  # type: ignore[call-overload]
        raise ModelRefusedError(f"the weights of layer {name} do not fit its input of {before[1]} channels")
    kernel = _kernel(weight, fields)
    spatial = len(before) - 2
    if spatial != 2:
        kernel, before, after = (1, 1), (*before, 1, 1)[:4], (*after, 1, 1)[:4]
    layer = Layer(
        name=name,
        op_type="Conv",
        input=node.input[0],
        output=node.output[0],
        weight=node.input[1] if weight is not None else "",
        bias=node.input[2] if len(node.input) > 2 else "",
        out_channels=after[1],
        in_channels=before[1],
        kernel=kernel,
        stride=_pair(fields, "strides"),
        pads=(0, 0, 0, 0),
        dilation=_pair(fields, "dilations"),
        group=int(fields.get("group", 1)),  # type: ignore[call-overload]
        input_size=(before[2], before[3]),
        output_size=(after[2], after[3]),
    )
    layer = replace(layer, pads=_pads(layer, fields))
    return replace(layer, reason=_reason(layer, weight, weights, uses, spatial))


def _kernel(weight: onnx.TensorProto | None, fields: Mapping[str, object]) -> tuple[int, int]:
    shape = list(weight.dims)[2:] if weight is not None else fields.get("kernel_shape", [1, 1])
    return tuple((*shape, 1, 1)[:2])  # type: ignore[misc]


def _pair(fields: Mapping[str, object], name: str) -> tuple[int, int]:
    values: list[int] = list(fields.get(name, [1, 1]))  # type: ignore[call-overload]
    return (values[0], values[1]) if len(values) == 2 else (1, 1)


def _pads(layer: Layer, fields: Mapping[str, object]) -> tuple[int, int, int, int]:
    mode = bytes(fields.get("auto_pad", b"NOTSET"))  # type: ignore[call-overload]
    given: list[int] = list(fields.get("pads", [0, 0, 0, 0]))  # type: ignore[call-overload]
    if not mode.startswith(b"SAME"):
        return (given[0], given[1], given[2], given[3]) if len(given) == 4 else (0, 0, 0, 0)
    before, after = [], []
    for axis in (0, 1):
        reach = layer.dilation[axis] * (layer.kernel[axis] - 1) + 1
        span = (layer.output_size[axis] - 1) * layer.stride[axis] + reach
        total = max(0, span - layer.input_size[axis])
        first = total // 2 if mode == b"SAME_UPPER" else math.ceil(total / 2)
        before.append(first)
        after.append(total - first)
    return before[0], before[1], after[0], after[1]


def _reason(
    layer: Layer,
    weight: onnx.TensorProto | None,
    weights: Mapping[str, onnx.TensorProto],
    uses: Counter[str],
    spatial: int,
) -> str | None:
    """Why a Conv cannot be reduced; None if it can."""
    if weight is None:
        return "dynamic weight: computed by the network"
    dtype = onnx.TensorProto.DataType.Name(weight.data_type).lower()
    obstacles = {
        f"a convolution over {spatial} axes, not 2": spatial != 2,
        f"weights are {dtype}, not float": dtype != "float",
        "dynamic bias: computed by the network": bool(layer.bias) and layer.bias not in weights,
        "shared weight: another layer uses it too": uses[layer.weight] > 1,
        "depthwise": 1 < layer.group == layer.in_channels,
    }
    return next((reason for reason, holds in obstacles.items() if holds), None)


def _is_dense_matmul(
    node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]], weights: Mapping[str, onnx.TensorProto]
) -> bool:
    """Whether a node multiplies rows of features by a constant matrix."""
    if node.op_type != "MatMul" or node.input[1] not in weights:
        return False
    return len(weights[node.input[1]].dims) == 2 and len(shapes.get(node.input[0], ())) == 2


def _fully_connected(
    node: onnx.NodeProto,
    shapes: Mapping[str, tuple[int, ...]],
    weights: Mapping[str, onnx.TensorProto],
    uses: Counter[str],
) -> Layer:
    weight = weights.get(node.input[1])
    shape = list(weight.dims) if weight is not None else list(shapes.get(node.input[1], (0, 0)))
    fields = attributes(node)
    transposed = not fields.get("transB", 0)
    rows = (shapes.get(node.output[0]) or (0,))[0]
    layer = Layer(
        name=node.name or node.output[0],
        op_type=node.op_type,
        input=node.input[0],
        output=node.output[0],
        weight=node.input[1] if weight is not None else "",
        bias=node.input[2] if len(node.input) > 2 else "",
        out_channels=shape[1] if transposed else shape[0],
        in_channels=shape[0] if transposed else shape[1],
        kernel=(1, 1),
        stride=(1, 1),
        pads=(0, 0, 0, 0),
        dilation=(1, 1),
        group=1,
        input_size=(max(rows, 1), 1),
        output_size=(max(rows, 1), 1),
        transposed=transposed,
    )
    plain = fields.get("alpha", 1.0) == fields.get("beta", 1.0) == 1.0 and not fields.get("transA", 0)
    return replace(layer, reason=_dense_reason(layer, weights, uses, rows, plain=plain))


def _dense_reason(
    layer: Layer, weights: Mapping[str, onnx.TensorProto], uses: Counter[str], rows: int, *, plain: bool
) -> str | None:
    """Why a fully connected layer cannot be reduced; None if it can."""
    if not layer.weight:
        return "dynamic weight: computed by the network"
    dtype = onnx.TensorProto.DataType.Name(weights[layer.weight].data_type).lower()
    bias = list(weights[layer.bias].dims) if layer.bias in weights else []
    obstacles = {
        f"weights are {dtype}, not float": dtype != "float",
        "alpha, beta or transA is set": not plain,
        "dynamic bias: computed by the network": bool(layer.bias) and layer.bias not in weights,
        "its bias differs from row to row": math.prod(bias) not in (1, layer.out_channels)
        or any(side != 1 for side in bias[:-1]),
        "shared weight: another layer uses it too": uses[layer.weight] > 1,
        "the number of its rows cannot be known": rows == 0,
    }
    return next((reason for reason, holds in obstacles.items() if holds), None)
