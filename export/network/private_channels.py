"""Convolutions whose output channels only one other convolution reads.

Between the two only nodes that treat each channel by itself, and need no weight for it, may lie. A channel
that the second one does without can then be left out of both.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass

import onnx

from export.network.attributes import Attributes, operator
from export.network.topology import reads

ELEMENTWISE = {
    *("Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Relu", "Selu", "Sigmoid"),
    *("Softplus", "Softsign", "Tanh", "ThresholdedRelu"),
    *("Abs", "Add", "Div", "Erf", "Exp", "Identity", "Mul", "Neg", "Pow", "Sub"),
    *("AveragePool", "Dropout", "MaxPool"),
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
    """The convolutions that alone read another one's output, by their own output.

    Both of a pair have one group, and weights that no other node reads: so channels can be left out of both
    without a thought of anything else. The first one's output is no output of the network.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = [(node, reads(node)) for node in model.graph.node]
    uses = Counter(name for _, names in nodes for name in names)
    plain = {node.output[0] for node, _ in nodes if _is_plain(node, weights, uses)}
    given = {value.name for value in model.graph.output}
    pairs = [_follow(source, nodes, plain, weights) for source in plain]
    return {pair.reader: pair for pair in pairs if pair is not None and pair.between.isdisjoint(given)}


def _follow(
    source: str,
    nodes: Sequence[tuple[onnx.NodeProto, set[str]]],
    plain: AbstractSet[str],
    weights: Mapping[str, onnx.TensorProto],
) -> PrivateChannels | None:
    """What reads a convolution, if that is one other alone."""
    between = {source}
    readers = []
    for node, names in nodes:
        if between.isdisjoint(names):
            continue
        if node.output[0] in plain:
            readers.append(node.output[0])
        elif _is_elementwise(node, names - between, weights):
            between.update(name for name in node.output if name)
        else:
            return None
    return PrivateChannels(source, readers[0], frozenset(between)) if len(readers) == 1 else None


def _is_plain(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto], uses: Mapping[str, int]) -> bool:
    """Whether a node is a convolution of one group whose weights and bias no other node reads."""
    if operator(node) != "Conv" or Attributes(node).integer("group", 1) != 1:
        return False
    return all(name in weights and uses[name] == 1 for name in node.input[1:] if name)


def _is_elementwise(
    node: onnx.NodeProto, others: AbstractSet[str], weights: Mapping[str, onnx.TensorProto]
) -> bool:
    """Whether a node treats channels apart and alike: each other input is a single number."""
    alike = all(name in weights and math.prod(weights[name].dims) == 1 for name in others)
    return operator(node) in ELEMENTWISE and alike
