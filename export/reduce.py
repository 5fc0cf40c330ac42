"""Reduce a network: read it, collect its responses, choose ranks, fit and replace layer by layer, check."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from edge_runtime.errors import ModelRefusedError, TargetUnmetError
from edge_runtime.model_card import ModelCard
from export.activations import Activation, keep_inputs
from export.agreement import Judge
from export.choose import choose
from export.graph import depths
from export.load import check
from export.methods import all_methods
from export.methods.base import Candidate, Method, Replacement
from export.methods.input_channels import InputChannels
from export.narrow import narrow
from export.network import Layer, ReducibleNetwork, describe
from export.offers import collect_offers
from export.passes import Passes
from export.progress import Progress
from export.ranks import Chosen, Offer
from export.rewrite import replace_layer
from export.samples import Sampler
from export.search import Attempt, furthest
from export.shortcut import shortcut_of


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
class Reduction:
    """A reduced network and how it came about.

    Attributes:
        model: The network.
        layers: Every Conv and Gemm of the original, in order.
        images: Calibration images used.
        image_passes: Work of all passes over the images, in passes through the original network.
        seconds: Time taken.
        speedup: Multiply-adds of the original over those of the reduced network.
        agreement_percent: With the original, on calibration images that no fit has used; None if not judged.
        reached: Whether the asked speed-up was reached within the allowed loss.
    """

    model: onnx.ModelProto
    layers: tuple[LayerReport, ...]
    images: int
    image_passes: float
    seconds: float
    speedup: float
    agreement_percent: float | None
    reached: bool

    @property
    def parameters_ratio(self) -> float:
        """Weights and biases of the original's layers over those of the reduced network."""
        before = sum(layer.parameters_before for layer in self.layers)
        return before / sum(layer.parameters_after for layer in self.layers)

    @property
    def storage_ratio(self) -> float:
        """Size of the original's weights on disk over the least size of those of the reduced network."""
        before = sum(4 * layer.parameters_before for layer in self.layers)
        return before / sum(layer.storage_bytes_after for layer in self.layers)


@dataclass(frozen=True)
class ReduceOptions:
    """What is wanted.

    Attributes:
        speedup: Multiply-adds of the whole network before over after, at least 1; None for the most that
            ``max_drop_percent`` allows.
        max_drop_percent: Agreement with the original that may be lost on held-out calibration images.
        card: Tells how to compare outputs; agreement is not judged without one.
        methods: How layers may be reduced.
        rule: How ranks are chosen: a key of ``ranks.RULES``.
        nonlinear: Whether fits match the response after its activation.
        choice: Candidates by layer name instead of a choice; layers not named stay.
        seed: Chooses the sampled positions.
        threads: Threads for the passes over the images.
    """

    speedup: float | None = 2.0
    max_drop_percent: float = 100.0
    card: ModelCard | None = None
    methods: tuple[Method, ...] = field(default_factory=all_methods)
    rule: str = "error"
    nonlinear: bool = True
    choice: Chosen | None = None
    seed: int = 0
    threads: int = 1


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
        TargetUnmetError: Every reduction loses more than ``options.max_drop_percent``.
    """
    started = time.monotonic()
    if not network.reducible:
        raise ModelRefusedError("no layer of this network can be reduced; see 'pi-export inspect'")
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        inputs = keep_inputs(images, network.input_name, Path(folder))
        sampler = Sampler(network, inputs.count, options.seed, Path(folder))
        for layer in network.reducible:
            sampler.require_enough(layer)
        passes = Passes(inputs, sampler, Path(folder), options.threads, progress)
        offers = collect_offers(network, options.methods, passes)
        if not any(offer.candidates for offer in offers):
            raise ModelRefusedError("no layer of this network gets cheaper by the methods asked for")
        judge = options.card and Judge(options.card, network.model, passes.held_out_inputs(), options.threads)

        def attempt(speedup: float) -> Attempt[_Reduced]:
            choice = options.choice or _choose(network, offers, speedup, options.rule)
            reduced = _reduce(network, choice, offers, options, passes)
            loss = 100.0 - judge(reduced.network.model) if judge else 0.0
            return Attempt(reduced, network.macs / reduced.macs, loss)

        found = furthest(attempt, options.speedup, options.max_drop_percent)
    if found is None:
        raise TargetUnmetError(
            f"no reduction keeps {100 - options.max_drop_percent:g} % agreement with the original on "
            "held-out images; allow more with --max-drop"
        )
    check(found.result.network.model, "the reduced network")
    return Reduction(
        model=found.result.network.model,
        layers=found.result.reports,
        images=inputs.count,
        image_passes=passes.image_macs / network.macs,
        seconds=time.monotonic() - started,
        speedup=found.speedup,
        agreement_percent=100.0 - found.loss_percent if judge else None,
        reached=options.speedup is None or found.speedup >= options.speedup,
    )


@dataclass(frozen=True)
class _Reduced:
    """A reduced network, and what became of each layer of the original."""

    network: ReducibleNetwork
    reports: tuple[LayerReport, ...]

    @property
    def macs(self) -> int:
        return sum(report.macs_after for report in self.reports)


def _choose(network: ReducibleNetwork, offers: Sequence[Offer], speedup: float, rule: str) -> Chosen:
    """A candidate for each layer that changes."""
    fixed = network.macs - sum(offer.layer.macs for offer in offers)
    return choose(rule, offers, network.layers, network.macs / speedup - fixed)


def _reduce(
    network: ReducibleNetwork,
    choice: Chosen,
    offers: Sequence[Offer],
    options: ReduceOptions,
    passes: Passes,
) -> _Reduced:
    fitted, replacements = _replace_layers(network, choice, options, passes)
    reduced = _without_unread_channels(fitted, network, replacements)
    costs = _Costs.of(fitted, reduced)
    offered = {offer.layer.name for offer in offers if offer.candidates}
    reports = tuple(
        _report(layer, replacements.get(layer.name), costs, offered=layer.name in offered)
        for layer in network.layers
    )
    return _Reduced(reduced, reports)


def _replace_layers(
    network: ReducibleNetwork, choice: Chosen, options: ReduceOptions, passes: Passes
) -> tuple[ReducibleNetwork, dict[str, Replacement]]:
    """Fit layer after layer, each on the activations of the network as reduced so far.

    Layers of equal depth do not depend on each other and share a stretch of the pass.
    """
    by_name = {method.name: method for method in options.methods}
    layers = [layer for layer in network.layers if layer.name in choice]
    depth = depths(network.model, {layer.output: shortcut_of(network, layer) for layer in layers})
    replacements: dict[str, Replacement] = {}
    current = network
    passes.start_again()
    for level in sorted(set(depth.values())):
        together = [layer for layer in layers if depth[layer.output] == level]
        task = f"fitting layer {len(replacements) + 1} of {len(layers)}"
        data = passes.gather(current, together, task, with_pairs=options.nonlinear)
        model = current.model
        for layer in together:
            candidate = choice[layer.name]
            replacement = by_name[candidate.method].fit(data.pop(layer.output), candidate)
            replacements[layer.name] = replacement
            model = replace_layer(model, layer, replacement)
        current = describe(model, network.input_size, "the reduced network")
    return current, replacements


def _without_unread_channels(
    fitted: ReducibleNetwork, network: ReducibleNetwork, replacements: Mapping[str, Replacement]
) -> ReducibleNetwork:
    """Both convolutions narrowed wherever a layer was chosen to read fewer channels."""
    readers = [
        layer.output
        for layer in network.layers
        if layer.name in replacements and replacements[layer.name].candidate.method == InputChannels.name
    ]
    if not readers:
        return fitted
    return describe(narrow(fitted.model, readers), network.input_size, "the reduced network")


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
        storage_bytes_after=4 * parameters if sparse is None else sparse,
        relative_error=replacement.relative_error if replacement else None,
        reason=None if replacement else layer.reason or _why_not(layer, parameters, offered=offered),
    )


def _why_not(layer: Layer, parameters: int, *, offered: bool) -> str:
    if parameters < layer.parameters:
        return "narrowed: only what the next layer reads is left"
    return "not worth reducing at this speed-up" if offered else "no cheaper by the methods asked for"
