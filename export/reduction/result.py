"""A reduced network, and what became of each layer of the original."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import onnx

from export.layer import BYTES_OF_A_WEIGHT, Layer
from export.methods.base import Candidate, Replacement
from export.methods.input_channels import InputChannels
from export.network.layers import ReducibleNetwork


@dataclass(frozen=True)
class LayerReport:
    """What became of one layer.

    Attributes:
        name: The layer.
        op_type: ``Conv`` or ``Gemm``.
        method: How it was replaced; None if it is as it was.
        solver: Which fit was best on held-out images.
        ranks: Filters between the factors; None if it is as it was.
        macs_before: Multiply-adds for one image in the original.
        macs_after: In the reduced network.
        parameters_before: Weights and biases in the original.
        parameters_after: In the reduced network.
        storage_bytes_after: Least size of those on disk: less than four bytes each where many are zero.
        relative_error: Held-out squared error of the response over its variance.
        reason: Why it is as it was; None if it was replaced.
    """

    name: str
    op_type: str
    method: str | None
    solver: str | None
    ranks: tuple[int, ...] | None
    macs_before: int
    macs_after: int
    parameters_before: int
    parameters_after: int
    storage_bytes_after: int
    relative_error: float | None
    reason: str | None


@dataclass(frozen=True)
class Reduced:
    """A reduced network.

    Attributes:
        network: The network.
        layers: Every Conv and Gemm of the original, in order.
    """

    network: ReducibleNetwork
    layers: tuple[LayerReport, ...]

    @property
    def model(self) -> onnx.ModelProto:
        """The network as ONNX."""
        return self.network.model

    @property
    def speedup(self) -> float:
        """Multiply-adds of the original over those of the reduced network."""
        before = sum(layer.macs_before for layer in self.layers)
        return before / max(sum(layer.macs_after for layer in self.layers), 1)

    @property
    def parameters_ratio(self) -> float:
        """Weights and biases of the original's layers over those of the reduced network."""
        before = sum(layer.parameters_before for layer in self.layers)
        return before / sum(layer.parameters_after for layer in self.layers)

    @property
    def storage_ratio(self) -> float:
        """Size of the original's weights on disk over the least size of those of the reduced network."""
        before = sum(BYTES_OF_A_WEIGHT * layer.parameters_before for layer in self.layers)
        return before / sum(layer.storage_bytes_after for layer in self.layers)

    def ratio(self, cost: str) -> float:
        """The original's cost over that of the reduced network; ``cost`` is a key of ``choices.COSTS``."""
        return {"macs": self.speedup, "storage": self.storage_ratio}[cost]


def layer_reports(
    original: ReducibleNetwork,
    fitted: ReducibleNetwork,
    reduced: ReducibleNetwork,
    replacements: Mapping[str, Replacement],
    offered: Collection[str],
) -> tuple[LayerReport, ...]:
    """What became of every layer.

    Args:
        original: The network as it was.
        fitted: With its layers replaced.
        reduced: The same without the channels that nothing reads.
        replacements: By the layer's name.
        offered: Names of the layers that had candidates.
    """
    costs = _Costs.of(fitted, reduced)
    return tuple(
        _report(layer, replacements.get(layer.name), costs, offered=layer.name in offered)
        for layer in original.layers
    )


@dataclass(frozen=True)
class _Costs:
    """What the last convolution of each layer costs, before and after unread channels were left out."""

    fitted: Mapping[str, Layer]
    reduced: Mapping[str, Layer]

    @classmethod
    def of(cls, fitted: ReducibleNetwork, reduced: ReducibleNetwork) -> "_Costs":
        return cls(*({layer.output: layer for layer in network.layers} for network in (fitted, reduced)))

    def after(self, layer: Layer, candidate: Candidate | None) -> tuple[int, int]:
        """Multiply-adds and parameters of what stands for a layer."""
        last = self.reduced[layer.output]
        if candidate is None or candidate.method == InputChannels.name:
            return last.macs, last.parameters
        unread = self.fitted[layer.output]
        return (
            candidate.macs - unread.macs + last.macs,
            candidate.parameters - unread.parameters + last.parameters,
        )


def _report(layer: Layer, replacement: Replacement | None, costs: _Costs, *, offered: bool) -> LayerReport:
    candidate = replacement.candidate if replacement else None
    macs, parameters = costs.after(layer, candidate)
    sparse = candidate.sparse_bytes if candidate else None
    return LayerReport(
        name=layer.name,
        op_type=layer.op_type,
        method=candidate.method if candidate else None,
        solver=replacement.solver if replacement else None,
        ranks=candidate.ranks if candidate else None,
        macs_before=layer.macs,
        macs_after=macs,
        parameters_before=layer.parameters,
        parameters_after=parameters,
        storage_bytes_after=BYTES_OF_A_WEIGHT * parameters if sparse is None else sparse,
        relative_error=replacement.relative_error if replacement else None,
        reason=None if replacement else layer.reason or _why_not(layer, parameters, offered=offered),
    )


def _why_not(layer: Layer, parameters: int, *, offered: bool) -> str:
    if parameters < layer.parameters:
        return "narrowed: only what the next layer reads is left"
    return "not worth reducing for this target" if offered else "no cheaper by the methods asked for"
