"""How many multiply-adds an operator takes, by the shapes of what it reads and writes.

Counted are sums of products: convolutions, products of matrices, recurrent layers, attention. What works on
each value by itself (activations, sums, scales, pooling, resizing) is not: it costs next to nothing beside
them. What may multiply and is not known here is named by ``may_multiply``.
"""

import math
from collections.abc import Callable, Mapping

import onnx

from edge_runtime.base.errors import ModelRefusedError
from export.network.attributes import STANDARD_DOMAINS, Attributes, operator
from export.network.einsum import einsum_macs
from export.network.tensors import known_shape

Shape = tuple[int, ...]

MICROSOFT = "com.microsoft"
BLOCKED = "com.microsoft.nchwc"  # what onnxruntime's optimiser writes for the processor it runs on


class Operands:
    """The shapes of what one node reads and writes; asking for one that is not known raises an error."""

    def __init__(self, node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> None:
        """Take a node and the shapes of all tensors around it, a length of 0 standing for an unknown one."""
        self.node = node
        self._shapes = shapes

    def reads(self, index: int) -> bool:
        """Whether the node has an input at a place."""
        return index < len(self.node.input) and bool(self.node.input[index])

    def read(self, index: int) -> Shape:
        """Shape of an input. Raises ``UnknownShapeError``."""
        return known_shape(self._shapes, self.node.input[index] if self.reads(index) else "")

    def written(self) -> Shape:
        """Shape of the first output that is not left out. Raises ``UnknownShapeError``."""
        return known_shape(self._shapes, next((name for name in self.node.output if name), ""))


Count = Callable[[Operands], int]


def count_of(node: onnx.NodeProto) -> Count | None:
    """How to count a node; None where it does not multiply, or that is not known."""
    return COUNTS.get(operator(node))


def may_multiply(node: onnx.NodeProto) -> bool:
    """Whether a node that cannot be counted may multiply: it is known to, or of a domain not known here."""
    if node.domain in STANDARD_DOMAINS or node.domain == "ai.onnx.ml":
        return node.op_type in UNCOUNTED
    return operator(node) not in COUNTS and operator(node) not in HARMLESS


def _convolution(weights: int) -> Count:
    """Of a convolution over any number of axes, its weights being the input at this place."""
    return lambda operands: math.prod(operands.written()) * math.prod(operands.read(weights)[1:])


def _transposed_convolution(operands: Operands) -> int:
    """Every value that is read meets every weight of its channel."""
    return math.prod(operands.read(0)) * math.prod(operands.read(1)[1:])


def _product(operands: Operands) -> int:
    """Of two matrices, or stacks of them: each value written is a sum over a row of the first."""
    return math.prod(operands.written()) * operands.read(0)[-1]


def _product_of_transposed(operands: Operands) -> int:
    """The same, where attributes may transpose the first matrix."""
    attributes, first = Attributes(operands.node), operands.read(0)
    row = -1
    if attributes.integer("transA", 0):
        row = 0 if attributes.integer("transBatchA", 0) else -2
    return math.prod(operands.written()) * first[row]


def _recurrent(operands: Operands) -> int:
    """Each step of each sequence meets the weights of the input and those of the state once."""
    return math.prod(operands.read(0)[:2]) * (math.prod(operands.read(1)) + math.prod(operands.read(2)))


def _einsum(operands: Operands) -> int:
    equation = Attributes(operands.node).any_text("equation")
    shapes = [operands.read(index) for index in range(len(operands.node.input))]
    try:
        return einsum_macs(equation, shapes)
    except ValueError as error:
        raise ModelRefusedError(f"an Einsum {equation!r} cannot be of operands {shapes}") from error


def _attention(operands: Operands) -> int:
    """Queries by keys, and those products by values: what is asked and what is written meet every key."""
    keys = operands.read(1)[-2] + (operands.read(4)[-2] if operands.reads(4) else 0)
    return (math.prod(operands.read(0)) + math.prod(operands.written())) * keys


def _projected_attention(past: int) -> Count:
    """onnxruntime's, with the matrix that makes queries, keys and values of its input.

    Keys and values of earlier tokens may be the input at a place.
    """

    def count(operands: Operands) -> int:
        tokens, weights, written = operands.read(0), operands.read(1), operands.written()
        asked = (weights[-1] - written[-1]) // 2
        keys = tokens[-2] + (operands.read(past)[-2] if operands.reads(past) else 0)
        return math.prod(tokens[:-1]) * (math.prod(weights) + keys * (asked + written[-1]))

    return count


#: How each operator is counted, by the name that ``operator`` gives it.
COUNTS: Mapping[str, Count] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "DeformConv": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed_convolution,
    "Gemm": _product_of_transposed,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
    "AffineGrid": _product,
    "Einsum": _einsum,
    "Attention": _attention,
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _recurrent),
    f"{BLOCKED}::Conv": _convolution(1),
    **{f"{MICROSOFT}::{name}": _convolution(1) for name in ("FusedConv", "NhwcFusedConv", "NhwcConv")},
    f"{MICROSOFT}::QLinearConv": _convolution(3),
    f"{MICROSOFT}::ConvTransposeWithDynamicPads": _transposed_convolution,
    **{
        f"{MICROSOFT}::{name}": _product_of_transposed
        for name in (
            *("FusedGemm", "FusedMatMul", "FusedMatMulActivation", "GemmFloat8", "QGemm"),
            "TransposeMatMul",
        )
    },
    **{
        f"{MICROSOFT}::{name}": _product
        for name in (
            *("DynamicQuantizeMatMul", "MatMulBnb4", "MatMulFpQ4", "MatMulInteger16"),
            *("MatMulIntegerToFloat", "MatMulNBits", "GemmFastGelu"),
        )
    },
    f"{MICROSOFT}::DynamicQuantizeLSTM": _recurrent,
    f"{MICROSOFT}::Attention": _projected_attention(4),
    f"{MICROSOFT}::QAttention": _projected_attention(8),
}

#: Operators of the standard domains that multiply in ways not counted.
UNCOUNTED = frozenset(
    {
        *("CausalConvWithState", "DFT", "Det", "LinearAttention", "STFT"),
        *("LinearClassifier", "LinearRegressor", "SVMClassifier", "SVMRegressor"),
    }
)

#: onnxruntime's own operators that work on each value by itself, or only move values.
HARMLESS = frozenset(
    f"{MICROSOFT}::{name}"
    for name in (
        *(
            "BiasAdd",
            "BiasGelu",
            "BiasSoftmax",
            "BiasSplitGelu",
            "ComplexMul",
            "ComplexMulConj",
            "CropAndResize",
        ),
        *("DequantizeLinear", "EmbedLayerNormalization", "ExpandDims", "FastGelu", "GatherND", "Gelu"),
        *("GridSample", "GroupNorm", "IsAllFinite", "MaxpoolWithMask", "MulInteger", "NhwcMaxPool", "Pad"),
        *("QEmbedLayerNormalization", "QLinearAdd", "QLinearAveragePool", "QLinearConcat"),
        *(
            "QLinearGlobalAveragePool",
            "QLinearLeakyRelu",
            "QLinearMul",
            "QLinearReduceMean",
            "QLinearSigmoid",
        ),
        *("QLinearSoftmax", "QLinearWhere", "QuantizeLinear", "QuickGelu", "Range", "ReduceSumInteger"),
        *("RotaryEmbedding", "ScaledSiLU", "SkipGroupNorm", "SkipLayerNormalization"),
        *("SkipSimplifiedLayerNormalization", "SwiGLU", "Trilu", "Unique"),
    )
) | frozenset(
    f"{BLOCKED}::{name}"
    for name in (
        *("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "ReorderInput", "ReorderOutput"),
        "Upsample",
    )
)
