"""Weights that are constant, but reach their layer through other nodes: an Identity, a Cast, a Transpose.

What computes such a weight is cut out and given to onnxruntime, whose optimiser folds it; what it does not
fold, such as random numbers, stays as it is, and so does the rest of the network.
"""

import tempfile
from collections.abc import Iterator, Sequence, Set as AbstractSet
from pathlib import Path

import onnx
from onnx import helper, shape_inference

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.engines.onnxruntime import optimise_offline
from export.network.attributes import operator
from export.network.counting import count_of
from export.network.initialisers import add_initialiser, drop_unused
from export.network.shapes import require_modest
from export.network.topology import fragment, producers, reads


def fold_constants(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The model with the weights and bounds that it computes from constants alone as initialisers.

    Args:
        model: Checked, its Constant nodes turned into initialisers.
        where: What to call it in messages.

    Returns:
        A copy, or the model itself where there is nothing to fold.

    Raises:
        ModelRefusedError: A weight is too large to be run.
    """
    constant = _constant_nodes(model)
    if not any(True for _ in _readings(model, constant)):
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    _pass_identities(result, constant)
    nodes = producers(result)
    read = {node.input[index] for node, index in _readings(result, constant)}
    names = sorted({name for one in read for name in nodes[one].output if name})
    for tensor in _folded(result, names, where):
        add_initialiser(result, tensor)
    _drop_idle(result, constant)
    drop_unused(result, names)
    return result


def _constant_nodes(model: onnx.ModelProto) -> frozenset[str]:
    """What the nodes write that read nothing but constants."""
    known = {tensor.name for tensor in model.graph.initializer}
    written: set[str] = set()
    for node in model.graph.node:
        if known.issuperset(reads(node)):
            written.update(name for name in node.output if name)
            known |= written
    return frozenset(written)


def _readings(model: onnx.ModelProto, constant: AbstractSet[str]) -> Iterator[tuple[onnx.NodeProto, int]]:
    """The places where a weight or a bound is read that the network computes from constants.

    Not those of quantised layers, which read dequantised activations too: made float they would not be
    quantised any more.
    """
    folded = {tensor.name for tensor in model.graph.initializer}
    nodes = producers(model)
    for node in model.graph.node:
        source = nodes.get(node.input[0]) if node.input else None
        quantised = source is not None and operator(source) == "DequantizeLinear"
        if (
            constant.isdisjoint(node.output)
            and not quantised
            and (count_of(node) or operator(node) == "Clip")
        ):
            for index, name in enumerate(node.input):
                if index and name in constant and name not in folded:
                    yield node, index


def _pass_identities(model: onnx.ModelProto, constant: AbstractSet[str]) -> None:
    """Read what lies before an Identity itself: weights that layers share stay shared."""
    weights = {tensor.name for tensor in model.graph.initializer}
    nodes = producers(model)
    for node, index in list(_readings(model, constant)):
        name = node.input[index]
        while name in nodes and operator(nodes[name]) == "Identity":
            name = nodes[name].input[0]
        if name in weights:
            node.input[index] = name


def _folded(model: onnx.ModelProto, names: Sequence[str], where: str) -> list[onnx.TensorProto]:
    """Those of some tensors that onnxruntime folds to constants."""
    if not names:
        return []
    part = fragment(model, [], names)
    del part.graph.output[:]
    part.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    inferred = shape_inference.infer_shapes(part, data_prop=True).graph
    for value in (*inferred.value_info, *inferred.output):
        require_modest(value.name, [dim.dim_value for dim in value.type.tensor_type.shape.dim], where)
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        target = Path(folder) / "folded.onnx"
        try:
            optimise_offline(part.SerializeToString(), target, dequantise=True)
        except ModelRefusedError:
            return []  # it does not know an operator: then the layer says that its weight is computed
        tensors = {tensor.name: tensor for tensor in onnx.load(target).graph.initializer}
    return [tensors[name] for name in names if name in tensors]


def _drop_idle(model: onnx.ModelProto, constant: AbstractSet[str]) -> None:
    """Remove the nodes among the constant ones that nothing needs any more, and what only they read."""
    folded = {tensor.name for tensor in model.graph.initializer}
    needed = {value.name for value in model.graph.output}
    kept: list[onnx.NodeProto] = []
    idle: set[str] = set()
    for node in reversed(model.graph.node):
        done = folded.issuperset(node.output)
        if done or (constant >= set(node.output) and needed.isdisjoint(node.output)):
            idle |= reads(node)
        else:
            kept.insert(0, node)
            needed |= reads(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    drop_unused(model, idle)
