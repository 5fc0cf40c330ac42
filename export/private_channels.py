"""Convolutions whose output channels only one other convolution reads.

Between the two only nodes that treat each channel by itself, and need no weight for it, may lie. A channel
that the second one does without can then be left out of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from export.graph import reads

ELEMENTWISE = {
    *("Abs", "Add", "AveragePool", "Clip", "Div", "Dropout", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid"),
    *("HardSwish", "Identity", "LeakyRelu", "MaxPool", "Mish", "Mul", "Neg", "Pow", "Relu", "Selu", "Sigmoid"),
    *("Softplus", "Softsign", "Sub", "Tanh", "ThresholdedRelu"),
}


@dataclass(frozen=True)
class PrivateChannels:
    """Two convolutions, the first of which only the second reads.

    Attributes:
        source: Output of the first.
        reader: Output of the second.
        between: The tensors from one to the other, the source among them.
    """

    source: str
    reader: str
    between: frozenset[str]


def private_channels(model: onnx.ModelProto) -> dict[str, PrivateChannels]:
    """All such pairs by the output of the reader; both have weights of their own and one group."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    found = (_follow(model, node, weights) for node in model.graph.node if _plain(model, node, weights))
    return {pair.reader: pair for pair in found if pair is not None}


def _follow(
    model: onnx.ModelProto, source: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]
) -> PrivateChannels | None:
    """What reads a convolution, if that is one other alone."""
    between = {source.output[0]}
    readers = []
    for node in model.graph.node:
        if between.isdisjoint(reads(node)):
            continue
        if node.op_type == "Conv" and node.input[0] in between:
            readers.append(node)
        elif _elementwise(node, between, weights):
            between.update(name for name in node.output if name)
        else:
            return None
    given = {value.name for value in model.graph.output}
    if len(readers) != 1 or not between.isdisjoint(given) or not _plain(model, readers[0], weights):
        return None
    return PrivateChannels(source.output[0], readers[0].output[0], frozenset(between))


def _elementwise(
    node: onnx.NodeProto, between: set[str], weights: Mapping[str, onnx.TensorProto]
) -> bool:
    """Whether a node treats the channels apart and alike: of its other inputs each is a single number."""
    others = [name for name in node.input if name and name not in between]
    alike = all(name in weights and _numbers(weights[name]) == 1 for name in others)
    return node.op_type in ELEMENTWISE and not node.domain and alike


def _numbers(tensor: onnx.TensorProto) -> int:
    count = 1
    for side in tensor.dims:
        count *= side
    return count


def _plain(
    model: onnx.ModelProto, node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]
) -> bool:
    """Whether a node is a convolution of one group whose weights and bias no other node reads."""
    if node.op_type != "Conv" or any(name not in weights for name in node.input[1:]):
        return False
    group = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    shared = [other for other in model.graph.node if other is not node and reads(other) & set(node.input[1:])]
    return group == 1 and not shared
