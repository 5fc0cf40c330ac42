"""The ONNX operators Resize and Upsample in torch: nearest and linear, an axis at a time."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Attributes = Mapping[str, Any]


def resize(
    attributes: Attributes,
    image: Tensor,
    _region: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    """Resize."""
    mode = attributes.get("mode", b"nearest").decode()
    if mode not in ("nearest", "linear") or attributes.get("axes") or attributes.get("antialias"):
        raise NotImplementedError("other than nearest or linear over all axes")
    lengths = list(image.shape)
    if sizes is not None and sizes.numel():
        if attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
            raise NotImplementedError("with a kept aspect")
        targets = [image.shape[0], *sizes.tolist()[1:]]  # the batch is ours
        factors = [target / length for target, length in zip(targets, lengths, strict=True)]
    else:
        factors = [] if scales is None else scales.tolist()
        targets = [int(length * factor) for length, factor in zip(lengths, factors, strict=True)]
    for axis, (target, factor) in enumerate(zip(targets, factors, strict=True)):
        if target != lengths[axis]:
            where = _coordinates(attributes, lengths[axis], target, factor).to(image.device)
            image = (
                _nearest(attributes, image, axis, where) if mode == "nearest" else _linear(image, axis, where)
            )
    return image


def upsample(attributes: Attributes, image: Tensor, scales: Tensor) -> Tensor:
    """Upsample, of before opset 10."""
    return resize(
        {
            "mode": attributes.get("mode", b"nearest"),
            "coordinate_transformation_mode": b"asymmetric",
            "nearest_mode": b"floor",
        },
        image,
        None,
        scales,
    )


def _coordinates(attributes: Attributes, length: int, target: int, factor: float) -> Tensor:
    """Where each of the new values lies among the old ones."""
    mode = attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    places = torch.arange(target, dtype=torch.float64)
    if mode == "asymmetric":
        return places / factor
    if mode == "align_corners":
        return places * (length - 1) / max(1, target - 1)
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and target > 1):
        return (places + 0.5) / factor - 0.5
    if mode == "pytorch_half_pixel":
        return torch.zeros(1, dtype=torch.float64)
    raise NotImplementedError(f"by {mode}")


def _nearest(attributes: Attributes, image: Tensor, axis: int, where: Tensor) -> Tensor:
    mode = attributes.get("nearest_mode", b"round_prefer_floor").decode()
    rounded = {
        "floor": where.floor(),
        "ceil": where.ceil(),
        "round_prefer_floor": (where - 0.5).ceil(),
        "round_prefer_ceil": (where + 0.5).floor(),
    }[mode]
    return image.index_select(axis, rounded.long().clamp(0, image.shape[axis] - 1))


def _linear(image: Tensor, axis: int, where: Tensor) -> Tensor:
    last = image.shape[axis] - 1
    where = where.clamp(0, last)
    lower = where.floor()
    shape = [-1 if place == axis else 1 for place in range(image.ndim)]
    share = (where - lower).to(image.dtype).reshape(shape)
    below = image.index_select(axis, lower.long())
    above = image.index_select(axis, (lower.long() + 1).clamp(max=last))
    return below + share * (above - below)
