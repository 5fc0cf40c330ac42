"""ONNX operators in torch: a function each, and the table by which they are found.

A function takes the attributes of its node and its inputs, None for an optional one that is not given. What
it does not know of its operator it refuses by ``NotImplementedError``, with a few words that follow the name.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from onnx import helper, numpy_helper
from torch import Tensor
from torch.nn import functional

from export.recovery import reshaping
from export.recovery.reshaping import axes_of
from export.recovery.resize import resize, upsample
from export.recovery.windows import Attributes, average_pool, conv, conv_transpose, max_pool

Operator = Callable[..., Tensor | tuple[Tensor, ...]]


def gemm(attributes: Attributes, left: Tensor, right: Tensor, added: Tensor | None = None) -> Tensor:
    """Gemm."""
    left = left.T if attributes.get("transA", 0) else left
    right = right.T if attributes.get("transB", 0) else right
    product = left @ right * attributes.get("alpha", 1.0)
    return product if added is None else product + attributes.get("beta", 1.0) * added


def batch_normalization(
    attributes: Attributes, image: Tensor, scale: Tensor, bias: Tensor, *moments: Tensor
) -> Tensor:
    """BatchNormalization as it is used, not trained: by the moments in the file."""
    epsilon = attributes.get("epsilon", 1e-5)
    mean, variance = moments
    return functional.batch_norm(image, mean, variance, scale, bias, training=False, eps=epsilon)


def instance_normalization(attributes: Attributes, image: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """InstanceNormalization."""
    epsilon = attributes.get("epsilon", 1e-5)
    return functional.instance_norm(image, weight=scale, bias=bias, eps=epsilon)


def layer_normalization(
    attributes: Attributes, values: Tensor, scale: Tensor, bias: Tensor | None = None
) -> Tensor:
    """LayerNormalization."""
    axis = attributes.get("axis", -1) % values.ndim
    return functional.layer_norm(values, values.shape[axis:], scale, bias, attributes.get("epsilon", 1e-5))


def clip(
    attributes: Attributes, values: Tensor, low: Tensor | None = None, high: Tensor | None = None
) -> Tensor:
    """Clip; before opset 11 its bounds were attributes."""
    least = attributes.get("min") if low is None else low
    most = attributes.get("max") if high is None else high
    return values if least is None and most is None else torch.clamp(values, least, most)


def prelu(_: Attributes, values: Tensor, slope: Tensor) -> Tensor:
    """PRelu."""
    return torch.where(values < 0, values * slope, values)


def softmax(
    attributes: Attributes, values: Tensor, function: Callable[..., Tensor] = functional.softmax
) -> Tensor:
    """Softmax along one axis, or, as before opset 13, along all from it on."""
    if attributes["opset"] >= 13:
        return function(values, dim=attributes.get("axis", -1))
    flat = values.flatten(attributes.get("axis", 1) % values.ndim)
    return function(flat, dim=-1).reshape(values.shape)


def gelu(attributes: Attributes, values: Tensor) -> Tensor:
    """Gelu."""
    return functional.gelu(values, approximate=attributes.get("approximate", b"none").decode())


def hard_sigmoid(attributes: Attributes, values: Tensor) -> Tensor:
    """HardSigmoid."""
    return torch.clamp(attributes.get("alpha", 0.2) * values + attributes.get("beta", 0.5), 0.0, 1.0)


def constant(attributes: Attributes) -> Tensor:
    """Constant."""
    if "value" in attributes:
        return _tensor(attributes["value"]).to(attributes["device"])
    name = next(name for name in attributes if name.startswith("value_"))
    kinds = {"value_int": torch.int64, "value_ints": torch.int64}
    return torch.tensor(attributes[name], dtype=kinds.get(name, torch.float32), device=attributes["device"])


def constant_of_shape(attributes: Attributes, shape: Tensor) -> Tensor:
    """ConstantOfShape."""
    value = _tensor(attributes["value"]) if "value" in attributes else torch.zeros(1)
    return value.to(shape.device).expand(shape.tolist())


def cast(attributes: Attributes, values: Tensor) -> Tensor:
    """Cast."""
    kind = helper.tensor_dtype_to_np_dtype(attributes["to"])
    return values.to(torch.from_numpy(np.zeros(0, kind)).dtype)


def _reduced(function: Operator) -> Operator:
    """An operator that sums up axes: by attribute, or, in later opsets, by input."""

    def reduce(attributes: Attributes, values: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = axes_of(attributes, axes)
        if not chosen and attributes.get("noop_with_empty_axes", 0):
            return values
        along = tuple(range(values.ndim)) if not chosen else tuple(chosen)
        return function(values, dim=along, keepdim=bool(attributes.get("keepdims", 1)))

    return reduce


def _of_all(function: Operator) -> Operator:
    """An operator of any number of inputs, as one of two."""

    def fold(_: Attributes, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = function(first, other)
        return first

    return fold


def _plain(function: Operator) -> Operator:
    """An operator without attributes."""
    return lambda _, *values: function(*values)


def _tensor(proto: Any) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(proto).copy())


def _leaky(attributes: Attributes, values: Tensor) -> Tensor:
    return functional.leaky_relu(values, attributes.get("alpha", 0.01))


def _divided(left: Tensor, right: Tensor) -> Tensor:
    whole = not (left.is_floating_point() or right.is_floating_point())
    return torch.div(left, right, rounding_mode="trunc" if whole else None)


OPERATORS: Mapping[str, Operator] = {
    "Abs": _plain(torch.abs),
    "Add": _plain(torch.add),
    "AveragePool": average_pool,
    "BatchNormalization": batch_normalization,
    "Cast": cast,
    "Clip": clip,
    "Concat": reshaping.concat,
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DepthToSpace": reshaping.depth_to_space,
    "Div": _plain(_divided),
    "Dropout": lambda _, values, *__: values,
    "Elu": lambda attributes, values: functional.elu(values, attributes.get("alpha", 1.0)),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": reshaping.expand,
    "Flatten": reshaping.flatten,
    "Gather": reshaping.gather,
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": lambda _, image: image.mean(tuple(range(2, image.ndim)), keepdim=True),
    "GlobalMaxPool": lambda _, image: image.amax(tuple(range(2, image.ndim)), keepdim=True),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": _plain(functional.hardswish),
    "Identity": _plain(lambda values: values),
    "InstanceNormalization": instance_normalization,
    "LayerNormalization": layer_normalization,
    "LeakyRelu": _leaky,
    "Log": _plain(torch.log),
    "LogSoftmax": lambda attributes, values: softmax(attributes, values, functional.log_softmax),
    "MatMul": _plain(torch.matmul),
    "Max": _of_all(torch.maximum),
    "MaxPool": max_pool,
    "Min": _of_all(torch.minimum),
    "Mish": _plain(functional.mish),
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "PRelu": prelu,
    "Pad": reshaping.pad,
    "Pow": _plain(torch.pow),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "Relu": _plain(torch.relu),
    "Reshape": reshaping.reshape,
    "Resize": resize,
    "Shape": lambda attributes, values: torch.tensor(values.shape, device=attributes["device"]),
    "Sigmoid": _plain(torch.sigmoid),
    "Slice": reshaping.slice_,
    "Softmax": softmax,
    "Softplus": _plain(functional.softplus),
    "Split": reshaping.split,
    "Sqrt": _plain(torch.sqrt),
    "Squeeze": reshaping.squeeze,
    "Sub": _plain(torch.sub),
    "Sum": _of_all(torch.add),
    "Tanh": _plain(torch.tanh),
    "Transpose": reshaping.transpose,
    "Unsqueeze": reshaping.unsqueeze,
    "Upsample": upsample,
    "Where": _plain(torch.where),
}
