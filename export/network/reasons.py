"""Why a layer stays as it is: one reason after another, for people to read."""

from collections.abc import Iterator

import onnx

from export.layer import Layer
from export.network.tensors import Tensors

COMPUTED_WEIGHT = "dynamic weight: computed by the network"
COMPUTED_BIAS = "dynamic bias: computed by the network"
HALF_WEIGHT = "weights are float16, not float"
SHARED_WEIGHT = "shared weight: another layer uses it too"


def weight_reasons(layer: Layer, tensors: Tensors) -> Iterator[str]:
    """Why a layer cannot be reduced for the sake of its weights and bias, whatever it does with them.

    Args:
        layer: The layer, its own reason not known yet.
        tensors: Of its network.
    """
    weight = tensors.weights.get(layer.weight)
    if weight is None:
        yield COMPUTED_WEIGHT
        return
    if weight.data_type != onnx.TensorProto.FLOAT:
        yield f"weights are {onnx.TensorProto.DataType.Name(weight.data_type).lower()}, not float"
    if layer.bias and layer.bias not in tensors.weights:
        yield COMPUTED_BIAS
    if tensors.uses[layer.weight] > 1:
        yield SHARED_WEIGHT
