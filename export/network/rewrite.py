"""Putting a replacement into the graph in place of a layer: names, opset and everything else survive."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.layer import Convolution, Layer
from export.network.attributes import Attributes
from export.network.convolutions import padding_mode
from export.network.initialisers import add_initialiser, drop_unused
from export.network.topology import producers

GEMM_WITHOUT_BIAS = 11  # the first opset that knows it


def replace_layer(
    model: onnx.ModelProto, layer: Layer, convolutions: Sequence[Convolution], kind: str
) -> onnx.ModelProto:
    """A copy of the model with one layer replaced by a chain of convolutions, or of Gemms.

    The last one takes over the layer's output name, so whatever reads it, or reads it as an output of
    the network, is untouched.

    Args:
        model: The model.
        layer: The layer to replace.
        convolutions: What takes its place, in order of execution.
        kind: Stands in the names of the new nodes.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    node = producers(result)[layer.output]
    place = next(i for i, other in enumerate(result.graph.node) if other.output == node.output)
    chain = _chain(result, layer, convolutions, kind, _automatic_padding(node))
    rest = list(result.graph.node)
    del result.graph.node[:]
    result.graph.node.extend([*rest[:place], *chain, *rest[place + 1 :]])
    drop_unused(result, [layer.weight, layer.bias])
    return result


def _automatic_padding(node: onnx.NodeProto) -> str:
    """The layer's rule for pads that depend on the image's size; empty where it has none.

    It acts on each axis by itself, so it suits the parts of a kernel as it suits the whole.
    """
    mode = padding_mode(Attributes(node))
    return mode if mode.startswith("SAME") else ""


def _chain(
    model: onnx.ModelProto,
    layer: Layer,
    convolutions: Sequence[Convolution],
    kind: str,
    padding: str,
) -> list[onnx.NodeProto]:
    taken = _names(model)
    nodes = []
    source = layer.input
    last = len(convolutions) - 1
    for index, convolution in enumerate(convolutions):
        name = _unused(f"{layer.name}/{kind}_{index + 1}", taken)
        target = layer.output if index == last else name
        if layer.fully_connected:
            inputs = [source, *_weights(model, _as_matrix(convolution, _opset(model)), name)]
            nodes.append(helper.make_node("Gemm", inputs, [target], name=name, transB=1))
        else:
            inputs = [source, *_weights(model, convolution, name)]
            fields = _attributes(convolution) | (
                {"auto_pad": padding} if padding else {"pads": convolution.pads}
            )
            nodes.append(helper.make_node("Conv", inputs, [target], name=name, **fields))
        source = target
    return nodes


def _weights(model: onnx.ModelProto, convolution: Convolution, name: str) -> list[str]:
    arrays = {f"{name}/weight": convolution.weights, f"{name}/bias": convolution.bias}
    for key, array in arrays.items():
        if array is not None:
            add_initialiser(model, numpy_helper.from_array(array, key))
    return [key for key, array in arrays.items() if array is not None]


def _as_matrix(convolution: Convolution, opset: int) -> Convolution:
    """Weights of a 1x1 convolution as those of a Gemm, which before opset 11 must have a bias."""
    weights, bias = convolution.weights[:, :, 0, 0], convolution.bias
    if bias is None and opset < GEMM_WITHOUT_BIAS:
        bias = np.zeros(len(weights), np.float32)
    return replace(convolution, weights=weights, bias=bias)


def _opset(model: onnx.ModelProto) -> int:
    """Version of the standard operators that a model uses."""
    return max(int(opset.version) for opset in model.opset_import if opset.domain in ("", "ai.onnx"))


def _attributes(convolution: Convolution) -> dict[str, Any]:
    return {
        "kernel_shape": convolution.weights.shape[2:],
        "strides": convolution.stride,
        "dilations": convolution.dilation,
        "group": convolution.group,
    }


def _names(model: onnx.ModelProto) -> set[str]:
    tensors = {name for node in model.graph.node for name in (*node.input, *node.output)}
    weights = {tensor.name for tensor in model.graph.initializer}
    return tensors | weights | {node.name for node in model.graph.node}


def _unused(wanted: str, taken: set[str]) -> str:
    """A name that is free, and free as the beginning of others: a node's weights are named after it."""
    name = wanted
    while any(other.startswith(name) for other in taken):
        name += "_"
    return name
