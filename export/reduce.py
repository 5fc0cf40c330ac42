"""Reduce a network: read it, collect its responses, choose ranks, fit and replace layer by layer, check."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

from edge_runtime.errors import ModelRefusedError
from edge_runtime.session import open_bytes
from export.activations import Activation, Activations, ActivationStream, KeptTensors, keep_inputs
from export.graph import depths
from export.load import check
from export.methods.base import LayerData, Method, Replacement
from export.methods.channel import Channel
from export.network import Layer, ReducibleNetwork, describe
from export.ranks import RankOptions, by_energy, energy_shares
from export.responses import Moments
from export.rewrite import replace_layer
from export.samples import Sampler

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class LayerReport:
    """What became of one layer.

    Attributes:
        name: The layer.
        op_type: ``Conv`` or ``Gemm``.
        method: How it was replaced; None if it is as it was.
        solver: Which fit was best on held-out images.
        rank: Filters between the factors.
        macs_before: Multiply-adds for one image in the original.
        macs_after: In the reduced network.
        parameters_before: Weights and biases in the original.
        parameters_after: In the reduced network.
        relative_error: Held-out squared error of the response over its variance.
        reason: Why it is as it was; None if it was replaced.
    """

    name: str
    op_type: str
    method: str | None
    solver: str | None
    rank: int | None
    macs_before: int
    macs_after: int
    parameters_before: int
    parameters_after: int
    relative_error: float | None
    reason: str | None


@dataclass(frozen=True)
class Reduction:
    """A reduced network and how it came about.

    Attributes:
        model: The network.
        layers: Every Conv and Gemm of the original, in order.
        images: Calibration images used.
        image_passes: Work of all passes over the images, in passes through the original network.
        seconds: Time taken.
        speedup: Multiply-adds of the original over those of the reduced network.
        reached: Whether the asked speed-up was reached.
    """

    model: onnx.ModelProto
    layers: tuple[LayerReport, ...]
    images: int
    image_passes: float
    seconds: float
    speedup: float
    reached: bool

    @property
    def parameters_ratio(self) -> float:
        """Weights and biases of the original's layers over those of the reduced network."""
        before = sum(layer.parameters_before for layer in self.layers)
        return before / sum(layer.parameters_after for layer in self.layers)


@dataclass(frozen=True)
class ReduceOptions:
    """What is wanted.

    Attributes:
        speedup: Multiply-adds of the whole network before over after, at least 1.
        ranks: Rank of each layer by name instead of a choice by energy; layers not named stay.
        seed: Chooses the sampled positions.
        threads: Threads for the passes over the images.
        method: How to reduce a convolution.
    """

    speedup: float = 2.0
    ranks: dict[str, int] | None = None
    seed: int = 0
    threads: int = 1
    method: Method = field(default_factory=Channel)


def reduce_network(
    network: ReducibleNetwork, images: Iterator[Activation], options: ReduceOptions, progress: Progress
) -> Reduction:
    """Reduce a network on calibration images.

    Args:
        network: As read by ``network.read_network``, at the size of the images.
        images: Its inputs, (1, C, H, W) float32 each; read once.
        options: What is wanted.
        progress: Told what is under way, how many images are done, and how many there are.

    Raises:
        InputError: Too few images, or images that do not differ.
        ModelRefusedError: No layer can be reduced, or the network computes NaN or infinite values.
    """
    started = time.monotonic()
    candidates = [layer for layer in network.reducible if options.method.ranks(layer)]
    if not candidates:
        raise ModelRefusedError("no layer of this network can be reduced; see 'pi-export inspect'")
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        inputs = keep_inputs(images, network.input_name, Path(folder))
        sampler = Sampler(network, inputs.count, options.seed, Path(folder))
        for layer in candidates:
            sampler.require_enough(layer)
        passes = _Passes(inputs, sampler, Path(folder), options.threads, progress)
        responses = passes.record(network, candidates)
        ranks = options.ranks or _choose_ranks(network, candidates, responses, options)
        chosen = [layer for layer in candidates if layer.name in ranks]
        reduced, replacements = _replace_layers(network, chosen, ranks, options.method, passes)
    check(reduced.model, "the reduced network")
    open_bytes(reduced.model.SerializeToString(), options.threads)
    reports = tuple(_report(layer, replacements.get(layer.name), options.method) for layer in network.layers)
    after = sum(report.macs_after for report in reports)
    return Reduction(
        model=reduced.model,
        layers=reports,
        images=inputs.count,
        image_passes=passes.image_macs / network.macs,
        seconds=time.monotonic() - started,
        speedup=network.macs / after,
        reached=after <= network.macs / options.speedup,
    )


class _Passes:
    """The passes over the calibration images: their work is counted and their progress shown."""

    def __init__(
        self, inputs: KeptTensors, sampler: Sampler, folder: Path, threads: int, progress: Progress
    ) -> None:
        self._inputs = inputs
        self._sampler = sampler
        self._folder = folder
        self._threads = threads
        self._progress = progress
        self._stream = self._new_stream()
        self._finished_macs = 0

    @property
    def image_macs(self) -> int:
        """Multiply-adds run so far for each image."""
        return self._finished_macs + self._stream.image_macs

    def record(self, network: ReducibleNetwork, layers: Sequence[Layer]) -> dict[str, Moments]:
        """One pass over the original network: see ``Sampler.record``."""
        responses = self._sampler.record(layers, self._advance(network, layers, "collecting responses"))
        self._finished_macs += self._stream.image_macs
        self._stream.close()
        self._stream = self._new_stream()
        return responses

    def gather(self, network: ReducibleNetwork, layers: Sequence[Layer], task: str) -> dict[str, LayerData]:
        """One stretch of the pass over the network as it is reduced: see ``Sampler.gather``."""
        return self._sampler.gather(layers, self._advance(network, layers, task))

    def _advance(
        self, network: ReducibleNetwork, layers: Sequence[Layer], task: str
    ) -> Iterator[Activations]:
        wanted = sorted({layer.input for layer in layers})
        for done, activations in enumerate(self._stream.advance(network, wanted)):
            self._progress(task, done + 1, self._inputs.count)
            yield activations

    def _new_stream(self) -> ActivationStream:
        return ActivationStream(self._inputs, self._folder, self._threads)


def _choose_ranks(
    network: ReducibleNetwork,
    layers: Sequence[Layer],
    responses: dict[str, Moments],
    options: ReduceOptions,
) -> dict[str, int]:
    """Ranks by energy; layers whose best rank is their own cost are left out."""
    fixed = network.macs - sum(layer.macs for layer in layers)
    offers = [_offer(layer, responses[layer.output], options.method) for layer in layers]
    ranks = by_energy(offers, network.macs / options.speedup - fixed)
    return {offer.name: ranks[offer.name] for offer in offers if ranks[offer.name] != offer.ranks[0]}


def _offer(layer: Layer, responses: Moments, method: Method) -> RankOptions:
    """The layer as it is, then every rank at which it is cheaper, falling."""
    ranks = method.ranks(layer)[::-1]
    eigenvalues = np.linalg.eigvalsh(responses.yy)[::-1].clip(0.0)
    return RankOptions(
        layer.name,
        (layer.out_channels + 1, *ranks),
        (layer.macs, *(method.macs(layer, rank) for rank in ranks)),
        (1.0, *energy_shares(eigenvalues, ranks)),
    )


def _replace_layers(
    network: ReducibleNetwork,
    layers: Sequence[Layer],
    ranks: dict[str, int],
    method: Method,
    passes: _Passes,
) -> tuple[ReducibleNetwork, dict[str, Replacement]]:
    """Fit layer after layer, each on the activations of the network as reduced so far.

    Layers of equal depth do not depend on each other and share a stretch of the pass.
    """
    depth = depths(network.model, {layer.output: layer.input for layer in layers})
    replacements: dict[str, Replacement] = {}
    current = network
    for level in sorted(set(depth.values())):
        together = [layer for layer in layers if depth[layer.output] == level]
        task = f"fitting layer {len(replacements) + 1} of {len(layers)}"
        data = passes.gather(current, together, task)
        model = current.model
        for layer in together:
            replacements[layer.name] = method.fit(data[layer.output], ranks[layer.name])
            model = replace_layer(model, layer, replacements[layer.name])
        current = describe(model, network.input_size, "the reduced network")
    return current, replacements


def _report(layer: Layer, replacement: Replacement | None, method: Method) -> LayerReport:
    return LayerReport(
        name=layer.name,
        op_type=layer.op_type,
        method=replacement.method if replacement else None,
        solver=replacement.solver if replacement else None,
        rank=replacement.rank if replacement else None,
        macs_before=layer.macs,
        macs_after=method.macs(layer, replacement.rank) if replacement else layer.macs,
        parameters_before=layer.parameters,
        parameters_after=method.parameters(layer, replacement.rank) if replacement else layer.parameters,
        relative_error=replacement.relative_error if replacement else None,
        reason=None if replacement else layer.reason or "not worth reducing at this speed-up",
    )
