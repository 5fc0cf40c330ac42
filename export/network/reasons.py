"""Why a layer stays as it is, or an operator is only counted, for people to read."""

from collections.abc import Iterator, Mapping

import onnx

from export.layer import Layer
from export.network.attributes import operator, title
from export.network.counting import BLOCKED, MICROSOFT
from export.network.tensors import Tensors
from export.network.topology import all_nodes

COMPUTED_WEIGHT = "dynamic weight: computed by the network"
COMPUTED_BIAS = "dynamic bias: computed by the network"
HALF_WEIGHT = "weights are float16, not float"
SHARED_WEIGHT = "shared weight: another layer uses it too"
SAME_FOR_ALL = "computes the same for every image"
QUANTISED = "quantised: give the network as it was before"

#: Operators that only onnxruntime's optimiser writes, in place of layers that could be reduced.
FUSED = frozenset(f"{MICROSOFT}::{name}" for name in ("FusedConv", "FusedGemm", "NhwcFusedConv"))
ORIGINAL_WANTED = "written by onnxruntime's optimiser; give the network it was made from"

#: Domains of the operators that onnxruntime brings along.
KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview", MICROSOFT, BLOCKED})


def weight_reasons(layer: Layer, tensors: Tensors) -> Iterator[str]:
    """Why a layer cannot be reduced for the sake of its weights and bias, whatever it does with them.

    Args:
        layer: The layer, its own reason not known yet.
        tensors: Of its network.
    """
    held = tensors.weights.get(layer.weight)
    if held is None:
        yield QUANTISED if layer.input in tensors.dequantised else COMPUTED_WEIGHT
        return
    if held.data_type != onnx.TensorProto.FLOAT:
        yield f"weights are {onnx.TensorProto.DataType.Name(held.data_type).lower()}, not float"
    if layer.bias and layer.bias not in tensors.weights:
        yield COMPUTED_BIAS
    if tensors.uses[layer.weight] > 1:
        yield SHARED_WEIGHT


def why_only_counted(
    node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]], constants: Mapping[str, onnx.TensorProto]
) -> str:
    """Why an operator that multiplies is no layer that could be reduced."""
    kind = operator(node)
    if kind in FUSED or node.domain == BLOCKED:
        return ORIGINAL_WANTED
    if node.op_type.startswith("Q") or "Integer" in node.op_type or "Quantize" in node.op_type:
        return QUANTISED
    if kind == "MatMul":
        if node.input[1] in constants:
            return f"its input has {len(shapes[node.input[0]])} axes, not 2"
        return "its weights come first" if node.input[0] in constants else "a product of two computed tensors"
    if kind == "Conv":
        return f"takes {shapes[node.input[0]][0]} inputs at once, not 1"
    return f"no method for {title(node)}"


def why_none(model: onnx.ModelProto) -> str | None:
    """Why nothing of a network can be reduced, whatever its layers are; None where nothing speaks against it.

    onnxruntime must be able to run it, and what it was made from must not be hidden in other operators.
    """
    kinds = {operator(node): node for node in all_nodes(model.graph)}
    if not FUSED.isdisjoint(kinds) or any(node.domain == BLOCKED for node in kinds.values()):
        return ORIGINAL_WANTED
    functions = {function.domain for function in model.functions}
    foreign = sorted(title(node) for node in kinds.values() if node.domain not in KNOWN_DOMAINS | functions)
    return f"has operators that onnxruntime does not know: {', '.join(foreign)}" if foreign else None
