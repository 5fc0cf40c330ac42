"""How often the body of an If, a Loop or a Scan runs for one image, and in which words that is said."""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from onnx import numpy_helper

from export.network.attributes import Attributes, operator, title
from export.network.tensors import held_constant

LIMIT = 1 << 31  # of rounds; loops that only their condition ends have the largest number there is


@dataclass(frozen=True)
class Rounds:
    """How often a body is counted, and why."""

    count: int
    words: str


def rounds_of(
    node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]], constants: Mapping[str, onnx.TensorProto]
) -> Rounds:
    """How often the bodies of a node are counted; once where that is not known.

    Args:
        node: A node with bodies.
        shapes: Shape of each tensor; a length of 0 is not known.
        constants: The constants that the node may read, by name.
    """
    kind = operator(node)
    if kind == "If":
        return Rounds(1, "inside an If, of whose branches the dearer is counted")
    count = None
    if kind == "Loop":
        count = _of_loop(node, constants)
    elif kind == "Scan":
        count = _of_scan(node, shapes)
    if count is None:
        return Rounds(1, f"inside a {title(node)}, counted once: how often it runs is not known")
    return Rounds(count, f"inside a {title(node)} of {count} rounds")


def _of_loop(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> int | None:
    """The number of rounds given as a constant, where no condition may end the loop earlier."""
    limit = constants.get(node.input[0])
    body = next((a.g for a in node.attribute if a.name == "body"), None)
    if limit is None or body is None or not _goes_on(body, constants):
        return None
    count = int(numpy_helper.to_array(limit).item())
    return count if 0 <= count < LIMIT else None


def _goes_on(body: onnx.GraphProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether the condition that a body gives is the one that it was given, or a constant."""
    held = {tensor.name for tensor in body.initializer} | set(constants)
    held |= {node.output[0] for node in body.node if held_constant(node) is not None}
    sources = {node.output[0]: node.input[0] for node in body.node if operator(node) in ("Identity", "Cast")}
    name = body.output[0].name
    while name in sources:
        name = sources[name]
    return name in held or name == body.input[1].name


def _of_scan(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    """The length of what is gone through."""
    scanned = Attributes(node).integer("num_scan_inputs", 1)
    first = len(node.input) - scanned
    axes = next((list(a.ints) for a in node.attribute if a.name == "scan_input_axes"), [0])
    shape = shapes.get(node.input[first], ())
    return (shape[axes[0]] or None) if -len(shape) <= axes[0] < len(shape) else None
