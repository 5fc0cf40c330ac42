"""Leaving out channels that are computed and not read: the convolution before and the one after, together."""

from collections.abc import Collection

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from export.network.private_channels import PrivateChannels, private_channels
from export.network.topology import producers


def narrow(model: onnx.ModelProto, readers: Collection[str]) -> onnx.ModelProto:
    """A copy of the model without the channels for which some convolutions have nothing but zeros.

    Args:
        model: The model.
        readers: Outputs of the convolutions to look at; of those that share their input nothing is done.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    pairs = private_channels(result)
    for reader in readers:
        if reader in pairs:
            _narrow(result, pairs[reader])
    return result


def _narrow(model: onnx.ModelProto, pair: PrivateChannels) -> None:
    nodes = producers(model)
    source, reader = nodes[pair.source], nodes[pair.reader]
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    read = np.any(numpy_helper.to_array(tensors[reader.input[1]]), axis=(0, 2, 3)).astype(bool)
    if not read.any():
        read[0] = True  # a tensor without channels is none
    if read.all():
        return
    _keep(tensors[reader.input[1]], read, axis=1)
    for name in source.input[1:]:
        if name:
            _keep(tensors[name], read, axis=0)
    outdated = [value for value in model.graph.value_info if value.name in pair.between]
    for value in outdated:
        model.graph.value_info.remove(value)
    for value in model.graph.input:  # before IR version 4 the weights are among them
        if value.name in tensors:
            value.CopyFrom(_info(tensors[value.name]))


def _keep(tensor: onnx.TensorProto, kept: NDArray[np.bool_], axis: int) -> None:
    array = np.compress(kept, numpy_helper.to_array(tensor), axis=axis)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _info(tensor: onnx.TensorProto) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
