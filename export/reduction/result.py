"""A reduced network, and what became of each layer of the original."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import onnx

from export.choose.cost import MULTIPLY_ADDS, STORAGE, Measure, stored_bytes
from export.choose.spectrum import Energy
from export.judge.agreement import Agreement
from export.layer import ConvolutionShape, Costed, CountedNode, Layer
from export.methods.base import Replacement
from export.network.layers import ReducibleNetwork
from export.precision.rounding import Rounded


@dataclass(frozen=True)
class LayerReport:
    """What became of one layer, or of what is only counted.

    Attributes:
        name: The layer's name, for people: several may have the same.
        output: The tensor it writes, which tells it from all others.
        op_type: ``Conv``, ``Gemm`` or ``MatMul``; of what is only counted any operator.
        before: The layer's shape, or what is only counted.
        after: What stands for it in the reduced network, in order of execution.
        method: How it was replaced; None if it is as it was.
        solver: Which fit was best on held-out images.
        ranks: Filters between the factors; None if it is as it was.
        relative_error: Held-out squared error of the response over its variance.
        reason: Why it is as it was; None if it was replaced.
    """

    name: str
    output: str
    op_type: str
    before: Costed
    after: tuple[Costed, ...]
    method: str | None
    solver: str | None
    ranks: tuple[int, ...] | None
    relative_error: float | None
    reason: str | None

    @property
    def macs_before(self) -> int:
        """Multiply-adds for one image in the original."""
        return self.before.macs

    @property
    def macs_after(self) -> int:
        """Multiply-adds for one image in the reduced network."""
        return sum(shape.macs for shape in self.after)

    @property
    def parameters_before(self) -> int:
        """Weights and biases in the original."""
        return self.before.parameters

    @property
    def parameters_after(self) -> int:
        """Weights and biases in the reduced network."""
        return sum(shape.parameters for shape in self.after)

    @property
    def storage_bytes_after(self) -> int:
        """Least size on disk of the weights and biases in the reduced network, in bytes."""
        return int(stored_bytes(self.after))

    def cost(self, measure: Measure) -> tuple[float, float]:
        """What the layer cost before, and what stands for it now."""
        return measure.of([self.before]), measure.of(self.after)


@dataclass(frozen=True)
class ReducedNetwork:
    """A reduced network, and what became of each layer of the original.

    Attributes:
        network: The network.
        layers: Everything in the original that is counted, in order of execution.
    """

    network: ReducibleNetwork
    layers: tuple[LayerReport, ...]

    @property
    def model(self) -> onnx.ModelProto:
        """The reduced network as ONNX."""
        return self.network.model

    @property
    def speedup(self) -> float:
        """Multiply-adds of the original over those of the reduced network."""
        return self.ratio(MULTIPLY_ADDS)

    @property
    def parameters_ratio(self) -> float:
        """Weights and biases of the original's layers over those of the reduced network."""
        before = sum(layer.parameters_before for layer in self.layers)
        return before / sum(layer.parameters_after for layer in self.layers)

    @property
    def storage_ratio(self) -> float:
        """Size of the original's weights on disk over the least size of those of the reduced network."""
        return self.ratio(STORAGE)

    def ratio(self, measure: Measure) -> float:
        """The original's cost over that of the reduced network."""
        costs = [layer.cost(measure) for layer in self.layers]
        before = measure.rest + sum(own for own, _ in costs)
        after = measure.rest + sum(own for _, own in costs)
        return measure.gain * before / max(after, 1)


@dataclass(frozen=True)
class Tried:
    """A reduction that was made and judged.

    Attributes:
        ratio: Cost of the original over its own.
        agreement: With the original; None if not judged.
        chosen: Whether it is the one delivered.
    """

    ratio: float
    agreement: Agreement | None
    chosen: bool


@dataclass(frozen=True)
class Promised:
    """What a target would come to, as its candidates foretell: nothing was fitted for it.

    Attributes:
        ratio: Cost of the original over what would be left.
        error: Sum of the layers' relative errors, weighed as ranks are chosen.
    """

    ratio: float
    error: float


@dataclass(frozen=True)
class Reduction(ReducedNetwork):
    """A reduced network and how it came about.

    Attributes:
        images: Calibration images used.
        image_passes: Work of all passes over the images, in passes through the original network.
        seconds: Time taken.
        agreement: With the original, as judged; None if not judged.
        cost: What was to become less.
        reached: Whether the target was reached within the allowed loss.
        rounded: The network in the precision that it is to be delivered in, in which it was judged.
        attempts: Every reduction that was made on the way, in order.
        promised: What other targets would come to, by rising ratio.
        energy: How much of a layer's responses lies in few dimensions, by the layer's output.
    """

    images: int
    image_passes: float
    seconds: float
    agreement: Agreement | None
    cost: Measure
    reached: bool
    rounded: Rounded
    attempts: tuple[Tried, ...] = ()
    promised: tuple[Promised, ...] = ()
    energy: Mapping[str, tuple[Energy, ...]] = field(default_factory=dict)

    @property
    def delivered(self) -> onnx.ModelProto:
        """The network as it is to be written."""
        return self.rounded.model

    @property
    def agreement_percent(self) -> float | None:
        """Agreement with the original; None if not judged."""
        return self.agreement.percent if self.agreement else None


def layer_reports(
    original: ReducibleNetwork,
    reduced: ReducibleNetwork,
    replacements: Mapping[str, Replacement],
    offered: Collection[str],
) -> tuple[LayerReport, ...]:
    """What became of every layer, and of all else that is counted.

    Args:
        original: The network as it was.
        reduced: The network as it is written.
        replacements: What was put in place of layers, by their outputs.
        offered: Outputs of the layers that had candidates.

    Returns:
        A report for each layer of the original, in order.
    """
    by_output = {layer.output: layer for layer in reduced.layers}
    counted = iter(reduced.counted)
    reports = []
    for layer in original.rows:
        if isinstance(layer, CountedNode):
            reports.append(_report_of_counted(layer, next(counted)))
            continue
        replacement = replacements.get(layer.output)
        chain = _in_its_place(layer, by_output)
        sparse = replacement is not None and any(
            shape.connections is not None for shape in replacement.candidate.convolutions
        )
        after = tuple(_sparse_shape(reduced, each) if sparse else each.shape for each in chain)
        reports.append(_report(layer, after, replacement, offered=layer.output in offered))
    return tuple(reports)


def _report_of_counted(node: CountedNode, after: CountedNode) -> LayerReport:
    """Of what is only counted: it stays as it is."""
    return LayerReport(
        name=node.name,
        output=node.output,
        op_type=node.op_type,
        before=node,
        after=(after,),
        method=None,
        solver=None,
        ranks=None,
        relative_error=None,
        reason=node.reason,
    )


def _in_its_place(layer: Layer, by_output: Mapping[str, Layer]) -> list[Layer]:
    """What stands for a layer in the reduced network, from its input to its output."""
    chain = [by_output[layer.output]]
    while chain[0].input != layer.input:
        chain.insert(0, by_output[chain[0].input])
    return chain


def _sparse_shape(network: ReducibleNetwork, layer: Layer) -> ConvolutionShape:
    """The shape of a layer of which only the weights that are not zero are to be stored."""
    return replace(layer.shape, connections=int(np.count_nonzero(network.array(layer.weight))))


def _report(
    layer: Layer, after: tuple[ConvolutionShape, ...], replacement: Replacement | None, *, offered: bool
) -> LayerReport:
    candidate = replacement.candidate if replacement else None
    return LayerReport(
        name=layer.name,
        output=layer.output,
        op_type=layer.op_type,
        before=layer.shape,
        after=after,
        method=candidate.method if candidate else None,
        solver=replacement.solver if replacement else None,
        ranks=candidate.ranks if candidate else None,
        relative_error=replacement.relative_error if replacement else None,
        reason=None if replacement else layer.reason or _why_not(layer, after, offered=offered),
    )


def _why_not(layer: Layer, after: tuple[ConvolutionShape, ...], *, offered: bool) -> str:
    if sum(shape.parameters for shape in after) < layer.parameters:
        return "narrowed: only what the next layer reads is left"
    return "not worth reducing for this target" if offered else "no cheaper by the methods asked for"
