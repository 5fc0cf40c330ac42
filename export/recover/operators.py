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

from export.recover.resize import resize, upsample
from export.recover.windows import Attributes, average_pool, conv, conv_transpose, max_pool

Operator = Callable[..., Tensor | tuple[Tensor, ...]]


def gemm(attributes: Attributes, left: Tensor, right: Tensor, added: Tensor | None = None) -> Tensor:
    """Gemm."""
    left = left.T if attributes.get("transA", 0) else left
    right = right.T if attributes.get("transB", 0) else right
    product = left @ right * attributes.get("alpha", 1.0)
    return product if added is None else product + attributes.get("beta", 1.0) * added


def batch_normalization(
    attributes: Attributes, image: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    """BatchNormalization as it is used, not trained: by the moments in the file."""
    epsilon = attributes.get("epsilon", 1e-5)
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


def clip(attributes: Attributes, values: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Clip; before opset 11 its bounds were attributes."""
    least = attributes.get("min") if low is None else low
    most = attributes.get("max") if high is None else high
    return values if least is None and most is None else torch.clamp(values, least, most)


def prelu(_: Attributes, values: Tensor, slope: Tensor) -> Tensor:
    """PRelu."""
    return torch.where(values < 0, values * slope, values)


def softmax(attributes: Attributes, values: Tensor, function: Operator = functional.softmax) -> Tensor:
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


def flatten(attributes: Attributes, values: Tensor) -> Tensor:
    """Flatten to a matrix; an image stays one row whatever the batch."""
    axis = attributes.get("axis", 1) % (values.ndim + 1)
    return values.reshape(int(np.prod(values.shape[:axis])), -1)


def reshape(attributes: Attributes, values: Tensor, shape: Tensor) -> Tensor:
    """Reshape; where a file for one image says 1 for the batch, the batch that there is."""
    target = [int(length) for length in shape.tolist()]
    if not attributes.get("allowzero", 0):
        target = [values.shape[axis] if length == 0 else length for axis, length in enumerate(target)]
    batch = values.shape[0]
    if target and target[0] == 1 and batch > 1 and _fits(target, values.numel() // batch):
        target[0] = batch
    return values.reshape(target)


def _fits(target: list[int], numel: int) -> bool:
    known = int(np.prod([length for length in target if length != -1]))
    return numel % max(1, known) == 0 if -1 in target else known == numel


def squeeze(attributes: Attributes, values: Tensor, axes: Tensor | None = None) -> Tensor:
    """Squeeze; without axes every one of length 1 but the batch's."""
    chosen = _axes(attributes, axes)
    if chosen is None:
        chosen = [axis for axis, length in enumerate(values.shape) if length == 1 and axis > 0]
    return values.squeeze(tuple(chosen))


def unsqueeze(attributes: Attributes, values: Tensor, axes: Tensor | None = None) -> Tensor:
    """Unsqueeze."""
    chosen = _axes(attributes, axes) or []
    rank = values.ndim + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        values = values.unsqueeze(axis)
    return values


def slice_(
    attributes: Attributes,
    values: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    """Slice; before opset 10 its bounds were attributes."""
    first = attributes["starts"] if starts is None else starts.tolist()
    last = attributes["ends"] if ends is None else ends.tolist()
    chosen = _axes(attributes, axes)
    strides = [1] * len(first) if steps is None else steps.tolist()
    for axis, start, end, step in zip(
        range(len(first)) if chosen is None else chosen, first, last, strides, strict=True
    ):
        places = range(values.shape[axis])[slice(start, end, step)]
        values = values.index_select(axis, torch.tensor(list(places), device=values.device))
    return values


def split(attributes: Attributes, values: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    """Split, into the lengths given or into equal parts."""
    axis = attributes.get("axis", 0)
    lengths = attributes.get("split") if sizes is None else sizes.tolist()
    if lengths is None:
        lengths = -(-values.shape[axis] // attributes["outputs"])
    return torch.split(values, lengths, axis)


def concat(attributes: Attributes, *values: Tensor) -> Tensor:
    """Concat."""
    return torch.cat(values, attributes["axis"])


def transpose(attributes: Attributes, values: Tensor) -> Tensor:
    """Transpose."""
    return values.permute(attributes.get("perm", list(reversed(range(values.ndim)))))


def gather(attributes: Attributes, values: Tensor, indices: Tensor) -> Tensor:
    """Gather."""
    axis = attributes.get("axis", 0) % values.ndim
    places = torch.remainder(indices.long(), values.shape[axis])
    chosen = values.index_select(axis, places.reshape(-1))
    return chosen.reshape(*values.shape[:axis], *indices.shape, *values.shape[axis + 1 :])


def pad(
    attributes: Attributes,
    values: Tensor,
    pads: Tensor | None = None,
    value: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    """Pad; before opset 11 by attributes."""
    mode = attributes.get("mode", b"constant").decode()
    widths = list(attributes["pads"]) if pads is None else pads.tolist()
    if mode not in ("constant", "reflect", "edge") or axes is not None or min(widths) < 0:
        raise NotImplementedError("by such a rule")
    rank = values.ndim
    sides = [side for axis in reversed(range(rank)) for side in (widths[axis], widths[axis + rank])]
    while mode != "constant" and sides[-2:] == [0, 0]:  # torch reflects some last axes only
        sides = sides[:-2]
    filled = attributes.get("value", 0.0) if value is None else value.item()
    how = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[mode]
    return functional.pad(values, sides, how, filled if mode == "constant" else None)


def constant(attributes: Attributes) -> Tensor:
    """Constant."""
    if "value" in attributes:
        return _tensor(attributes["value"])
    name = next(name for name in attributes if name.startswith("value_"))
    kinds = {"value_int": torch.int64, "value_ints": torch.int64}
    return torch.tensor(attributes[name], dtype=kinds.get(name, torch.float32))


def constant_of_shape(attributes: Attributes, shape: Tensor) -> Tensor:
    """ConstantOfShape."""
    value = _tensor(attributes["value"]) if "value" in attributes else torch.zeros(1)
    return value.to(shape.device).expand(shape.tolist())


def cast(attributes: Attributes, values: Tensor) -> Tensor:
    """Cast."""
    kind = helper.tensor_dtype_to_np_dtype(attributes["to"])
    return values.to(torch.from_numpy(np.zeros(0, kind)).dtype)


def expand(_: Attributes, values: Tensor, shape: Tensor) -> Tensor:
    """Expand."""
    return values.expand(torch.broadcast_shapes(values.shape, tuple(shape.tolist())))


def depth_to_space(attributes: Attributes, image: Tensor) -> Tensor:
    """DepthToSpace."""
    block = attributes["blocksize"]
    count, channels, height, width = image.shape
    columns_first = attributes.get("mode", b"DCR") == b"CRD"
    inner = (channels // block**2, block, block) if columns_first else (block, block, channels // block**2)
    parts = image.reshape(count, *inner, height, width)
    order = (0, 1, 4, 2, 5, 3) if columns_first else (0, 3, 4, 1, 5, 2)
    return parts.permute(order).reshape(count, channels // block**2, height * block, width * block)


def _reduced(function: Operator) -> Operator:
    """An operator that sums up axes: by attribute, or, in later opsets, by input."""

    def reduce(attributes: Attributes, values: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = _axes(attributes, axes)
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


def _axes(attributes: Attributes, given: Tensor | None) -> list[int] | None:
    if given is not None:
        return [int(axis) for axis in given.tolist()]
    return list(attributes["axes"]) if "axes" in attributes else None


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
    "Concat": concat,
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DepthToSpace": depth_to_space,
    "Div": _plain(_divided),
    "Dropout": lambda _, values, *__: values,
    "Elu": lambda attributes, values: functional.elu(values, attributes.get("alpha", 1.0)),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
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
    "Pad": pad,
    "Pow": _plain(torch.pow),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "Relu": _plain(torch.relu),
    "Reshape": reshape,
    "Resize": resize,
    "Shape": lambda _, values: torch.tensor(values.shape),
    "Sigmoid": _plain(torch.sigmoid),
    "Slice": slice_,
    "Softmax": softmax,
    "Softplus": _plain(functional.softplus),
    "Split": split,
    "Sqrt": _plain(torch.sqrt),
    "Squeeze": squeeze,
    "Sub": _plain(torch.sub),
    "Sum": _of_all(torch.add),
    "Tanh": _plain(torch.tanh),
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "Upsample": upsample,
    "Where": _plain(torch.where),
}
