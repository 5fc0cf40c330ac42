"""Outputs whose length depends on the image, such as the boxes that a network's own suppression keeps.

What a detector's decoder understands is compared by what it finds. Where no decoder reads the outputs,
networks are compared value by value, and values of outputs of different lengths have no partners.
"""

from collections.abc import Iterator

import numpy as np
import onnx

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model.golden import golden_frame
from edge_runtime.model.image import Image
from export.network.attributes import operator
from export.network.messages import messages_in
from export.network.topology import nodes_before

#: Operators that write as much as the values they read call for.
LENGTH_BY_VALUES = frozenset({"Compress", "NonMaxSuppression", "NonZero", "StringSplit", "Unique"})


def require_comparable(model: Model, proto: onnx.ModelProto) -> None:
    """Refuse a network whose outputs nothing can be compared with.

    Args:
        model: The network with its card.
        proto: What the network was opened from.

    Raises:
        ModelRefusedError: No decoder reads its outputs, and the length of one varies; or it cannot run.
    """
    varying = () if model.card.task == "detect" else varying_outputs(model, proto)
    if varying:
        named = ", ".join(map(repr, varying))
        raise ModelRefusedError(
            f"{model.network.path}: how long output {named} is depends on the image, so networks cannot be "
            "compared by it: export it without, or give its card the task detect and a decoder that reads it"
        )


def varying_outputs(model: Model, proto: onnx.ModelProto) -> tuple[str, ...]:
    """The outputs whose shape depends on the image.

    Those whose shapes differ between a few drawn images; and, as these may show nothing that a network finds,
    those that leave a length free behind an operator that writes as much as its values call for.

    Args:
        model: The network with its card.
        proto: What the network was opened from.

    Raises:
        ModelRefusedError: It cannot run.
    """
    names = model.network.output_names
    shapes = [
        [output.shape for output in model.network.run(model.preprocess(image))] for image in _images(model)
    ]
    differing = {name for name, *seen in zip(names, *shapes, strict=True) if len(set(seen)) > 1}
    by_values = {name for name in _with_free_length(model, proto) if _depends_on_values(proto, name)}
    return tuple(name for name in names if name in differing | by_values)


def _images(model: Model) -> Iterator[Image]:
    """Noise, in which a network may find anything, and grey, in which it finds nothing."""
    size = model.card.input.size
    yield golden_frame(0, size)
    yield golden_frame(1, size)
    yield np.full((*size, 3), 128, np.uint8)


def _with_free_length(model: Model, proto: onnx.ModelProto) -> Iterator[str]:
    """The outputs with a length that the file fixes neither as such nor as one of the input's."""
    axes = (axis for value in proto.graph.input for axis in value.type.tensor_type.shape.dim)
    known = {axis.dim_param for axis in axes}
    for value in model.network.outputs:
        if any(length not in known and not isinstance(length, int) for length in value.shape):
            yield value.name


def _depends_on_values(proto: onnx.ModelProto, output: str) -> bool:
    """Whether an operator before it, in a branch or a function too, writes as much as its values call for."""
    inside = {(each.domain, each.name) for each in proto.functions if _has_such(each)}
    before = nodes_before(proto, [output])
    return any(_has_such(node) or (node.domain, node.op_type) in inside for node in before)


def _has_such(part: onnx.NodeProto | onnx.FunctionProto) -> bool:
    nodes = (each for each in messages_in(part) if isinstance(each, onnx.NodeProto))
    return any(operator(node) in LENGTH_BY_VALUES for node in nodes)
