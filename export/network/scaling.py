"""Making the values within a network smaller without changing what it computes: by powers of two.

A ReLU of twice the input is twice the ReLU, and so it is with pools, sums and shapes. So the output of a
convolution can be made smaller by its weights, and the next convolution made to expect it. Powers of two
change no digit of a float: the outputs stay the same to the last bit, but for values near the least float.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import numpy_helper

from export.network.attributes import operator
from export.network.topology import bodies_of, reads

#: Operators of which s times the input gives s times the output, for any s above 0.
HOMOGENEOUS = frozenset(
    {
        "Add",
        "AveragePool",
        "Concat",
        "Flatten",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "Identity",
        "LeakyRelu",
        "MaxPool",
        "Relu",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
    }
)
SHAPING = frozenset({"Reshape", "Slice", "Split", "Squeeze", "Unsqueeze"})  # further inputs are no values
WEIGHTED = frozenset({"Conv", "Gemm", "MatMul"})


@dataclass
class _Groups:
    """Tensors that must be scaled alike, and those that must not be scaled at all."""

    leaders: dict[str, str] = field(default_factory=dict)
    pinned: set[str] = field(default_factory=set)

    def of(self, name: str) -> str:
        while (leader := self.leaders.get(name, name)) != name:
            name = leader
        return name

    def join(self, names: Iterable[str]) -> None:
        first, *rest = [self.of(name) for name in names]
        for name in rest:
            self.leaders[name] = first
        if not self.pinned.isdisjoint((first, *rest)):
            self.pinned.add(first)

    def pin(self, names: Iterable[str]) -> None:
        self.pinned.update(self.of(name) for name in names if name)

    def is_pinned(self, name: str) -> bool:
        return self.of(name) in self.pinned


def scaled_down(model: onnx.ModelProto, largest: Mapping[str, float], wanted: float) -> onnx.ModelProto:
    """A model that computes the same from smaller values.

    Args:
        model: The model, its weights as initialisers.
        largest: The largest magnitude that each tensor, and what is summed up of it, reaches.
        wanted: What no tensor is to exceed, as far as that can be.

    Returns:
        A copy; tensors that something else than ``HOMOGENEOUS`` operators and layers reads or writes stay.
    """
    groups = _groups(model)
    exponents: dict[str, int] = {}
    for name, value in largest.items():
        if not groups.is_pinned(name) and value > wanted:
            down = -math.ceil(math.log2(value / wanted))
            exponents[groups.of(name)] = min(exponents.get(groups.of(name), 0), down)
    exponents |= _roots(model, groups, exponents)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in copy.graph.initializer}
    for node in copy.graph.node:
        if operator(node) in WEIGHTED and node.input[1] in weights:
            before, after = (exponents.get(groups.of(name), 0) for name in (node.input[0], node.output[0]))
            _scale(weights[node.input[1]], after - before)
            for name in node.input[2:3]:
                _scale(weights[name], after)
    return copy


def _groups(model: onnx.ModelProto) -> _Groups:
    weights = {tensor.name for tensor in model.graph.initializer}
    uses: dict[str, int] = {}
    for node in model.graph.node:
        for name in reads(node):
            uses[name] = uses.get(name, 0) + 1
    groups = _Groups()
    for node in model.graph.node:
        kind = operator(node)
        values = list(node.input[:1]) if kind in SHAPING else [name for name in node.input if name]
        if kind in WEIGHTED and all(name in weights and uses[name] == 1 for name in node.input[1:] if name):
            continue
        if kind in HOMOGENEOUS and weights.isdisjoint(values):
            groups.join([*values, *filter(None, node.output)])
        elif kind != "Sqrt" or bodies_of(node):
            groups.pin([*reads(node), *node.output])
    groups.pin(value.name for value in (*model.graph.input, *model.graph.output))
    return groups


def _roots(model: onnx.ModelProto, groups: _Groups, exponents: dict[str, int]) -> dict[str, int]:
    """Exponents behind square roots: half of those before, which become even, or none; in place."""
    pairs = [
        (groups.of(node.input[0]), groups.of(node.output[0]))
        for node in model.graph.node
        if operator(node) == "Sqrt"
    ]
    befores, written = {before for before, _ in pairs}, Counter(after for _, after in pairs)
    for _, after in pairs:
        exponents.pop(after, None)  # a root has no weights that could scale it
    for before, after in pairs:
        if groups.is_pinned(after) or after in befores or written[after] > 1:
            exponents.pop(before, None)
    for before in befores & exponents.keys():
        exponents[before] -= exponents[before] % 2
    return {after: exponents[before] // 2 for before, after in pairs if before in exponents}


def _scale(tensor: onnx.TensorProto, exponent: int) -> None:
    if exponent:
        values = np.ldexp(numpy_helper.to_array(tensor), exponent)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
