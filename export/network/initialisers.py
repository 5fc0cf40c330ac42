"""Weights of a graph: adding them, dropping them, and finding them in Constant nodes."""

from collections.abc import Iterable

import onnx

from export.network.tensors import held_constant
from export.network.topology import reads


def constants_as_initialisers(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with each Constant node that holds a tensor replaced by an initialiser of the same name.

    It is a copy, or the model itself where it has no such node.
    """
    constants = {
        node.output[0]: tensor for node in model.graph.node if (tensor := held_constant(node)) is not None
    }
    if not constants:
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    kept = [node for node in result.graph.node if held_constant(node) is None]
    del result.graph.node[:]
    result.graph.node.extend(kept)
    for name, tensor in constants.items():
        named = onnx.TensorProto()
        named.CopyFrom(tensor)
        named.name = name
        add_initialiser(result, named)
    return result


def add_initialiser(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    """Add a weight; before IR version 4 every weight is listed among the inputs too."""
    model.graph.initializer.append(tensor)
    if model.ir_version < 4:
        info = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(info)


def drop_unused(model: onnx.ModelProto, names: Iterable[str]) -> None:
    """Remove those of some weights that nothing reads any more; before IR version 4 they are inputs, too."""
    used = {name for node in model.graph.node for name in reads(node)}
    used |= {value.name for value in model.graph.output}
    for name in names:
        if name and name not in used:
            for values in (model.graph.initializer, model.graph.input):
                for value in [value for value in values if value.name == name]:
                    values.remove(value)
