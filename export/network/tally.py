"""What the nodes that are no layers cost, those in the bodies of an If, a Loop or a Scan included."""

import math
from collections import ChainMap, Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import onnx
from onnx import helper

from export.layer import CountedNode
from export.network.attributes import operator, title
from export.network.counting import Operands, Shape, count_of, may_multiply
from export.network.reasons import why_only_counted
from export.network.rounds import Rounds, rounds_of
from export.network.tensors import UnknownShapeError, held_constant
from export.network.topology import bodies_of

UNKNOWN_OPERATOR = "how it multiplies is not known"
VARYING_SIZE = "its size depends on what the image shows"
UNKNOWN_SIZE = "its size is not known"


@dataclass(frozen=True)
class Uncounted:
    """Operators that multiply, or may, and that the totals leave out.

    Attributes:
        op_type: The operator, its domain before it unless it is a standard one: ``com.acme.Foo``.
        reason: Why it cannot be counted.
    """

    op_type: str
    reason: str


def uncounted_documents(uncounted: Sequence[Uncounted]) -> list[dict[str, Any]]:
    """What was not counted as plain data: operator, reason and the number of nodes that share both."""
    return [
        {"op_type": each.op_type, "nodes": nodes, "reason": each.reason}
        for each, nodes in Counter(uncounted).items()
    ]


@dataclass(frozen=True)
class Tally:
    """What was counted, in order, and what could not be."""

    counted: tuple[CountedNode, ...] = ()
    uncounted: tuple[Uncounted, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-adds of all that was counted."""
        return sum(node.macs for node in self.counted)

    def __add__(self, other: Self) -> "Tally":
        return Tally(self.counted + other.counted, self.uncounted + other.uncounted)


@dataclass(frozen=True)
class Surroundings:
    """What is known around a node.

    Attributes:
        shapes: Shape of each tensor, constants included; a length of 0 is not known.
        constants: The constants that a node may read, by name.
        varying: The tensors whose shape depends on what the image shows, once that was looked into; None as
            long as a shape that is not known may become known.
        output: What the node of the graph writes in whose body we are; empty outside of any.
        times: How often the nodes run for one image.
        inside: In which bodies we are, in words.
    """

    shapes: Mapping[str, Shape]
    constants: Mapping[str, onnx.TensorProto]
    varying: frozenset[str] | None = None
    output: str = ""
    times: int = 1
    inside: tuple[str, ...] = ()

    def within(self, body: onnx.GraphProto, output: str, rounds: Rounds) -> "Surroundings":
        """What is known inside the body of a node that writes ``output``."""
        held = {tensor.name: tensor for tensor in body.initializer}
        held |= {node.output[0]: tensor for node in body.node if (tensor := held_constant(node)) is not None}
        return replace(
            self,
            shapes=ChainMap({name: tuple(tensor.dims) for name, tensor in held.items()}, dict(self.shapes)),
            constants=ChainMap(held, dict(self.constants)),
            output=self.output or output,
            times=self.times * rounds.count,
            inside=(*self.inside, rounds.words),
        )


def tally_of(node: onnx.NodeProto, around: Surroundings) -> Tally:
    """What one node costs, its bodies included.

    Raises:
        UnknownShapeError: A shape is not known, and is not known to depend on what the image shows.
        ModelRefusedError: An attribute is malformed.
    """
    bodies = bodies_of(node)
    if bodies:
        return _tally_of_bodies(node, bodies, around)
    count = count_of(node)
    if count is None:
        return Tally(uncounted=(Uncounted(title(node), UNKNOWN_OPERATOR),) if may_multiply(node) else ())
    try:
        macs = count(Operands(node, around.shapes))
    except UnknownShapeError as unknown:
        return without_size(node, unknown, around)
    return Tally(counted=(_counted(node, macs, around),) if macs else ())


def without_size(node: onnx.NodeProto, unknown: UnknownShapeError, around: Surroundings) -> Tally:
    """A node that cannot be counted for want of a shape.

    Raises:
        UnknownShapeError: It may become known, or ought to be.
    """
    (tensor,) = unknown.args
    if around.varying is None:
        raise unknown
    if tensor in around.varying:
        return Tally(uncounted=(Uncounted(title(node), VARYING_SIZE),))
    if around.inside:
        return Tally(uncounted=(Uncounted(title(node), UNKNOWN_SIZE),))
    raise unknown


def _counted(node: onnx.NodeProto, macs: int, around: Surroundings) -> CountedNode:
    output = next(name for name in node.output if name)
    held = [around.constants[name] for name in sorted(set(node.input)) if name in around.constants]
    return CountedNode(
        name=node.name or output,
        output=around.output or output,
        op_type=title(node),
        macs=macs * around.times,
        parameters=sum(math.prod(tensor.dims) for tensor in held),
        stored_bytes=sum(_stored_bytes(tensor) for tensor in held),
        reason="; ".join(around.inside) or why_only_counted(node, around.shapes, around.constants),
    )


def _stored_bytes(tensor: onnx.TensorProto) -> int:
    size = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return len(tensor.raw_data) or math.prod(tensor.dims) * size


def _tally_of_bodies(node: onnx.NodeProto, bodies: Iterable[onnx.GraphProto], around: Surroundings) -> Tally:
    """Of a loop its body as often as it runs; of an If the dearer branch, for only one runs."""
    rounds = rounds_of(node, around.shapes, around.constants)
    output = next((name for name in node.output if name), "")
    tallies = []
    for body in bodies:
        inside = around.within(body, output, rounds)
        tallies.append(sum((tally_of(each, inside) for each in body.node), Tally()))
    if operator(node) != "If":
        return sum(tallies, Tally())
    dearer = max(tallies, key=lambda tally: tally.macs)
    return Tally(dearer.counted, tuple(dict.fromkeys(each for tally in tallies for each in tally.uncounted)))
