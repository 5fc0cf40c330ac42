"""Writing a network in int8: rounding around each of its operators, by onnxruntime's own tool.

Engines fuse an operator with those around it into one that computes in int8 throughout.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from edge_runtime.base.errors import ModelRefusedError
from export.network.attributes import operator
from export.network.topology import all_nodes, followed_by, nodes_before, reads, sort_nodes
from export.precision.clipping import Ends

OLDEST_OPSET = 13  # the first with a scale for each channel
#: Operators that multiply by weights: what int8 is for.
WEIGHT_OPERATORS = frozenset({"Conv", "Gemm", "MatMul"})
# Operators between those: in int8, too, the values need not leave it. Others are run in float.
BETWEEN = frozenset(
    {
        "Add",
        "Mul",
        "Relu",
        "Clip",
        "LeakyRelu",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "Concat",
        "Split",
        "Slice",
        "Pad",
        "Resize",
        "Reshape",
        "Transpose",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
    }
)
BOUNDING = frozenset({"Relu", "Clip"})
ROUNDING = frozenset({"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger"})
# A fully connected layer in int8 can hand out floats; rounded, classes of nearly equal score would tie.
FLOAT_OUTPUTS = ["Gemm", "MatMul"]


class EightBitNetwork:
    """A network of which any part can be written in int8."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """Prepare a network.

        Args:
            model: The network, its weights as initialisers; it is left as it is.
        """
        self._model = _with_known_nodes(model)

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Outputs of the operators that multiply by weights, in order of execution."""
        floats = {
            tensor.name
            for tensor in self._model.graph.initializer
            if tensor.data_type == onnx.TensorProto.FLOAT
        }
        return tuple(
            node.output[0]
            for node in self._model.graph.node
            if operator(node) in WEIGHT_OPERATORS and node.input[1] in floats
        )

    @cached_property
    def last_layers(self) -> tuple[str, ...]:
        """Those of ``layers`` that no other of them depends on."""
        followed = followed_by(self._model, self.layers)
        return tuple(layer for layer in self.layers if layer not in followed)

    @cached_property
    def tensors(self) -> frozenset[str]:
        """Activations whose ranges must be known: those of every operator that may come into int8."""
        weights = {tensor.name for tensor in self._model.graph.initializer}
        names = {name for node in self._candidates for name in (*node.input, *node.output)}
        return frozenset(names - weights - {""})

    def written(self, ends: Mapping[str, Ends], in_float: Collection[str] = ()) -> onnx.ModelProto:
        """The network in int8.

        Weights get a scale for each channel, symmetric about zero; activations are unsigned, with one scale
        for a tensor.

        Args:
            ends: Least and largest value of each of ``tensors`` that int8 shall hold.
            in_float: Outputs of ``layers`` that stay in float.
        """
        known = [node for node in self._candidates if self._is_known(node, ends)]
        names = [node.name for node in known if node.output[0] not in in_float]
        copy = onnx.ModelProto()
        copy.CopyFrom(self._model)
        quantizer = QDQQuantizer(
            copy,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=_tensors_range(ends),
            nodes_to_quantize=names,
            nodes_to_exclude=[],
            op_types_to_quantize=sorted(WEIGHT_OPERATORS | BETWEEN),
            extra_options={"OpTypesToExcludeOutputQuantization": FLOAT_OUTPUTS},
        )
        with _unheard():
            quantizer.quantize_model()
        written: onnx.ModelProto = quantizer.model.model
        sort_nodes(written)
        del written.metadata_props[:]
        written.metadata_props.extend(self._model.metadata_props)
        return written

    @cached_property
    def _candidates(self) -> list[onnx.NodeProto]:
        """The operators that may come into int8: none behind the last that multiplies by weights.

        What follows it decodes, and its numbers mean something: pixels beside probabilities, say.
        """
        return [
            node
            for node in nodes_before(self._model, self.layers)
            if node.output[0] in self.layers or (operator(node) in BETWEEN and not self._is_seen_past(node))
        ]

    def _is_seen_past(self, node: onnx.NodeProto) -> bool:
        """Whether someone would see what the tool does with a node that bounds values.

        It leaves those to the rounding behind them, which subgraphs skip, and has what is bounded held only
        within the bounds, though it may be an output of the network.
        """
        if not self._read_within.isdisjoint(node.output):
            return True
        unbounded = self._read_within | {value.name for value in self._model.graph.output}
        return operator(node) in BOUNDING and node.input[0] in unbounded

    @cached_property
    def _read_within(self) -> frozenset[str]:
        """Tensors that subgraphs take from outside."""
        nodes = self._model.graph.node
        return frozenset(name for node in nodes for name in reads(node) - set(node.input))

    def _is_known(self, node: onnx.NodeProto, ends: Mapping[str, Ends]) -> bool:
        """Whether int8 can hold what it does: the ranges of all activations are known, not those of integers.

        The tool leaves a Clip to the rounding behind it, whose range always holds zero: where all bounds lie
        on one side of that, values between would pass.
        """
        if not all(name in ends for name in (*node.input, *node.output) if name in self.tensors):
            return False
        return operator(node) != "Clip" or ends[node.output[0]][0] <= 0 <= ends[node.output[0]][1]


def require_float(model: onnx.ModelProto, where: str) -> None:
    """Raise ``ModelRefusedError`` where a network is in int8 already."""
    if any(operator(node) in ROUNDING for node in all_nodes(model.graph)):
        raise ModelRefusedError(f"{where} is in int8 already, or partly: give the network in float")


@contextmanager
def _unheard() -> Iterator[None]:
    """Without what the tool logs: of biases, say, that are cut off where a channel's weights are nearly 0."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def as_read(written: onnx.ModelProto, tensors: Iterable[str]) -> list[str]:
    """Names of what the readers of some tensors of the original get in a network in int8: rounded values."""
    present = {name for node in written.graph.node for name in node.output}
    rounded = {tensor: f"{tensor}_DequantizeLinear_Output" for tensor in tensors}
    return [name if name in present else tensor for tensor, name in rounded.items()]


def _tensors_range(ends: Mapping[str, Ends]) -> TensorsData:
    values: dict[str, Any] = {
        name: (np.array(low, np.float32), np.array(high, np.float32)) for name, (low, high) in ends.items()
    }
    return TensorsData(CalibrationMethod.MinMax, values)


def _with_known_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model in a release of the operators that has int8, each node with a name of its own."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    version = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if version < OLDEST_OPSET:
        copy = onnx.version_converter.convert_version(copy, OLDEST_OPSET)
    taken: set[str] = set()
    for node in copy.graph.node:
        if not node.name or node.name in taken:
            node.name = next(name for name in node.output if name)
        taken.add(node.name)
    return copy
