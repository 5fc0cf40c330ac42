"""ONNX operators that look at windows of an image, in torch: convolutions and pools with all their pads."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Attributes = Mapping[str, Any]

_CONVOLUTIONS = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}
_TRANSPOSED = {
    3: functional.conv_transpose1d,
    4: functional.conv_transpose2d,
    5: functional.conv_transpose3d,
}
_MAX_POOLS = {3: functional.max_pool1d, 4: functional.max_pool2d, 5: functional.max_pool3d}
_AVERAGE_POOLS = {3: functional.avg_pool1d, 4: functional.avg_pool2d, 5: functional.avg_pool3d}


def conv(attributes: Attributes, image: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Conv."""
    kernel = weight.shape[2:]
    strides, dilations = _per_axis(attributes, "strides", kernel), _per_axis(attributes, "dilations", kernel)
    before, after = _pads(attributes, image, kernel, strides, dilations)
    padding = before
    if before != after:
        image, padding = _padded(image, before, after, 0.0), [0] * len(kernel)
    convolve = _CONVOLUTIONS[image.ndim]
    return convolve(image, weight, bias, strides, padding, dilations, attributes.get("group", 1))


def conv_transpose(
    attributes: Attributes, image: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """ConvTranspose, with pads that are given and the same on both sides."""
    kernel = weight.shape[2:]
    pads = list(attributes.get("pads", [0] * 2 * len(kernel)))
    before, after = pads[: len(kernel)], pads[len(kernel) :]
    if before != after or "output_shape" in attributes or _automatic(attributes):
        raise NotImplementedError("with uneven or automatic pads")
    return _TRANSPOSED[image.ndim](
        image,
        weight,
        bias,
        _per_axis(attributes, "strides", kernel),
        before,
        list(attributes.get("output_padding", [0] * len(kernel))),
        attributes.get("group", 1),
        _per_axis(attributes, "dilations", kernel),
    )


def max_pool(attributes: Attributes, image: Tensor) -> Tensor:
    """MaxPool."""
    kernel = attributes["kernel_shape"]
    strides, dilations = _per_axis(attributes, "strides", kernel), _per_axis(attributes, "dilations", kernel)
    before, after = _pads(attributes, image, kernel, strides, dilations)
    padding = before
    if before != after or any(2 * pad > side for pad, side in zip(before, kernel, strict=True)):
        image, padding = _padded(image, before, after, -torch.inf), [0] * len(kernel)
    pool = _MAX_POOLS[image.ndim]
    return pool(image, kernel, strides, padding, dilations, ceil_mode=bool(attributes.get("ceil_mode", 0)))


def average_pool(attributes: Attributes, image: Tensor) -> Tensor:
    """AveragePool; what the pads add counts only where the network says so."""
    kernel = attributes["kernel_shape"]
    strides, dilations = _per_axis(attributes, "strides", kernel), _per_axis(attributes, "dilations", kernel)
    if set(dilations) != {1}:
        raise NotImplementedError("with dilation")
    before, after = _pads(attributes, image, kernel, strides, dilations)
    ceil = bool(attributes.get("ceil_mode", 0))
    pool = _AVERAGE_POOLS[image.ndim]
    sums = pool(_padded(image, before, after, 0.0), kernel, strides, 0, ceil)
    if attributes.get("count_include_pad", 0) or not any((*before, *after)):
        return sums
    inside = _padded(torch.ones_like(image[:1, :1]), before, after, 0.0)
    return sums / pool(inside, kernel, strides, 0, ceil)


def _padded(image: Tensor, before: Sequence[int], after: Sequence[int], value: float) -> Tensor:
    if not any((*before, *after)):
        return image
    sides = [side for pair in zip(reversed(before), reversed(after), strict=True) for side in pair]
    return functional.pad(image, sides, value=value)


def _pads(
    attributes: Attributes,
    image: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[list[int], list[int]]:
    """Pads before and after, along each axis."""
    mode = _automatic(attributes)
    if not mode:
        pads = list(attributes.get("pads", [0] * 2 * len(kernel)))
        return pads[: len(kernel)], pads[len(kernel) :]
    before, after = [], []
    for length, side, stride, dilation in zip(image.shape[2:], kernel, strides, dilations, strict=True):
        reach = dilation * (side - 1) + 1
        total = max(0, (-(-length // stride) - 1) * stride + reach - length)
        total *= mode != "VALID"
        smaller = total // 2
        before.append(smaller if mode == "SAME_UPPER" else total - smaller)
        after.append(total - before[-1])
    return before, after


def _automatic(attributes: Attributes) -> str:
    mode = attributes.get("auto_pad", b"NOTSET").decode()
    return "" if mode == "NOTSET" else mode


def _per_axis(attributes: Attributes, name: str, kernel: Sequence[int]) -> list[int]:
    return list(attributes.get(name, [1] * len(kernel)))
