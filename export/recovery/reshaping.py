"""ONNX operators that move values and compute none, in torch: a function each, as in ``operators``."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from export.recovery.windows import Attributes


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


def squeeze(attributes: Attributes, values: Tensor, axes: Tensor | None = None) -> Tensor:
    """Squeeze; without axes every one of length 1 but the batch's."""
    chosen = axes_of(attributes, axes)
    if chosen is None:
        chosen = [axis for axis, length in enumerate(values.shape) if length == 1 and axis > 0]
    return values.squeeze(tuple(chosen))


def unsqueeze(attributes: Attributes, values: Tensor, axes: Tensor | None = None) -> Tensor:
    """Unsqueeze."""
    chosen = axes_of(attributes, axes) or []
    rank = values.ndim + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        values = values.unsqueeze(axis)
    return values


def slice_(
    attributes: Attributes,
    values: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    *axes_and_steps: Tensor | None,
) -> Tensor:
    """Slice; before opset 10 its bounds were attributes."""
    first = attributes["starts"] if starts is None else starts.tolist()
    last = attributes["ends"] if ends is None else ends.tolist()
    axes, steps = (*axes_and_steps, None, None)[:2]
    chosen = axes_of(attributes, axes)
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
    return tuple(torch.split(values, lengths, axis))


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
    return chosen.reshape((*values.shape[:axis], *indices.shape, *values.shape[axis + 1 :]))


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


def axes_of(attributes: Attributes, given: Tensor | None) -> list[int] | None:
    """The axes that a node names: by an input, in earlier opsets by an attribute; None for none."""
    if given is not None:
        return [int(axis) for axis in given.tolist()]
    return list(attributes["axes"]) if "axes" in attributes else None


def _fits(target: list[int], numel: int) -> bool:
    known = int(np.prod([length for length in target if length != -1]))
    return numel % max(1, known) == 0 if -1 in target else known == numel
