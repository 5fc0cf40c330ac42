"""Reduce a network: read it, collect its responses, choose ranks, fit and replace layer by layer, check."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx

from edge_runtime.base.errors import InputError, ModelRefusedError, TargetUnmetError
from export.calibrate.passes import Passes
from export.calibrate.sampler import Sampler
from export.calibrate.stream import Activation, keep_inputs
from export.choose.choices import COSTS, Offer
from export.choose.offers import collect_offers
from export.choose.ranks import RULES
from export.choose.search import Attempt, furthest
from export.choose.selection import Chosen
from export.methods import all_methods
from export.methods.base import Method, Replacement
from export.methods.input_channels import InputChannels
from export.network.layers import ReducibleNetwork, describe
from export.network.load import check
from export.network.narrow import narrow
from export.network.rewrite import replace_layer
from export.network.shortcut import shortcut_of
from export.network.topology import depths
from export.progress import Progress
from export.reduction.result import Reduced, layer_reports

Judge = Callable[[onnx.ModelProto], float]


@dataclass(frozen=True)
class Reduction(Reduced):
    """A reduced network and how it came about.

    Attributes:
        images: Calibration images used.
        image_passes: Work of all passes over the images, in passes through the original network.
        seconds: Time taken.
        agreement_percent: With the original, as judged; None if not judged.
        cost: What was to become less: a key of ``choices.COSTS``.
        reached: Whether the target was reached within the allowed loss.
    """

    images: int
    image_passes: float
    seconds: float
    agreement_percent: float | None
    cost: str
    reached: bool


@dataclass(frozen=True)
class ReduceOptions:
    """What is wanted.

    Attributes:
        target: The whole network's cost before over after, at least 1; None for the most that
            ``max_drop_percent`` allows.
        cost: What is to become less: a key of ``choices.COSTS``.
        max_drop_percent: Agreement with the original that may be lost.
        judge: Tells how far a network agrees with the original, in percent; None if none is to be judged.
        methods: How layers may be reduced.
        rule: How ranks are chosen: a key of ``ranks.RULES``.
        nonlinear: Whether fits match the response after its activation.
        choice: Candidates by layer name instead of a choice; layers not named stay.
        seed: Chooses the sampled positions.
        threads: Threads for the passes over the images.
    """

    target: float | None = 2.0
    cost: str = "macs"
    max_drop_percent: float = 100.0
    judge: Judge | None = None
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
    with open_reducer(network, images, options, progress) as reducer:
        found = furthest(reducer, options.target, options.max_drop_percent)
    if found is None:
        raise TargetUnmetError(
            f"no reduction keeps {100 - options.max_drop_percent:g} % agreement with the original on "
            "images apart; allow more with --max-drop"
        )
    check(found.result.network.model, "the reduced network")
    return Reduction(
        network=found.result.network,
        layers=found.result.layers,
        images=reducer.images,
        image_passes=reducer.image_passes,
        seconds=time.monotonic() - started,
        agreement_percent=100.0 - found.loss_percent if options.judge else None,
        cost=options.cost,
        reached=options.target is None or found.ratio >= options.target,
    )


@contextmanager
def open_reducer(
    network: ReducibleNetwork, images: Iterator[Activation], options: ReduceOptions, progress: Progress
) -> Iterator["Reducer"]:
    """Collect what all reductions of a network share; on leaving, its temporary files are deleted.

    Raises:
        InputError: Too few images for any layer, or images that do not differ.
        ModelRefusedError: No layer can be reduced, or the network computes NaN or infinite values.
    """
    if not network.reducible:
        raise ModelRefusedError("no layer of this network can be reduced; see 'pi-export inspect'")
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        inputs = keep_inputs(images, network.input_name, Path(folder))
        sampler = Sampler(network, inputs.count, options.seed, Path(folder))
        network = _where_images_suffice(network, sampler, inputs.count)
        passes = Passes(inputs, sampler, Path(folder), options.threads, progress)
        offers = collect_offers(network, options.methods, passes)
        if not any(offer.candidates for offer in offers):
            raise ModelRefusedError("no layer of this network gets cheaper by the methods asked for")
        yield Reducer(network, offers, options, passes, inputs.count)


def _where_images_suffice(network: ReducibleNetwork, sampler: Sampler, images: int) -> ReducibleNetwork:
    """The network, in which layers that need more images to be fitted cannot be reduced, and say so.

    Raises:
        InputError: That would leave none.
    """
    needed = {layer.output: sampler.images_needed(layer) for layer in network.reducible}
    if all(needed.values()):
        raise InputError(
            f"{images} images are too few to fit any layer; give at least {min(needed.values())}"
        )
    layers = tuple(
        replace(layer, reason=f"needs at least {needed[layer.output]} calibration images")
        if needed.get(layer.output)
        else layer
        for layer in network.layers
    )
    return replace(network, layers=layers)


class Reducer:
    """Chooses and fits, for one target after another.

    Attributes:
        images: Calibration images used.
    """

    def __init__(
        self,
        network: ReducibleNetwork,
        offers: list[Offer],
        options: ReduceOptions,
        passes: Passes,
        images: int,
    ) -> None:
        self.images = images
        self._network = network
        self._offers = offers
        self._options = options
        self._passes = passes

    @property
    def image_passes(self) -> float:
        """Work of all passes over the images so far, in passes through the original network."""
        return self._passes.image_macs / self._network.macs

    def __call__(self, target: float) -> Attempt[Reduced]:
        """A reduction by ``target``, or by as much as the methods can do."""
        reduced = self._reduce(self._options.choice or self._choose(target))
        judge = self._options.judge
        loss = 100.0 - judge(reduced.network.model) if judge else 0.0
        return Attempt(reduced, reduced.ratio(self._options.cost), loss)

    def _choose(self, target: float) -> Chosen:
        """A candidate for each layer that changes."""
        cost = COSTS[self._options.cost]
        whole = sum(cost.of(layer) for layer in self._network.layers)
        return RULES[self._options.rule](self._offers, whole / target, cost)

    def _reduce(self, choice: Chosen) -> Reduced:
        fitted, replacements = _replace_layers(self._network, choice, self._options, self._passes)
        reduced = _without_unread_channels(fitted, self._network, replacements)
        offered = {offer.layer.name for offer in self._offers if offer.candidates}
        return Reduced(reduced, layer_reports(self._network, fitted, reduced, replacements, offered))


def _replace_layers(
    network: ReducibleNetwork, choice: Chosen, options: ReduceOptions, passes: Passes
) -> tuple[ReducibleNetwork, dict[str, Replacement]]:
    """Fit layer after layer, each on the activations of the network as reduced so far.

    Layers of equal depth do not depend on each other and share a stretch of the pass. Layers that stay are
    left alone: fitted anew, they would shrink towards the mean whatever earlier layers have blurred, which
    lowers the error of each response and was seen to cost accuracy.
    """
    by_name = {method.name: method for method in options.methods}
    layers = [layer for layer in network.layers if layer.name in choice]
    depth = depths(network.model, {layer.output: shortcut_of(network, layer) for layer in layers})
    replacements: dict[str, Replacement] = {}
    current = network
    passes.start_again()
    levels = sorted(set(depth.values()))
    for level in levels:
        together = [layer for layer in layers if depth[layer.output] == level]
        task = f"fitting layer {len(replacements) + 1} of {len(layers)}"
        last = level == levels[-1]
        data = passes.gather(current, together, task, with_pairs=options.nonlinear, last=last)
        model = current.model
        for layer in together:
            candidate = choice[layer.name]
            replacement = by_name[candidate.method].fit(data.pop(layer.output), candidate)
            replacements[layer.name] = replacement
            model = replace_layer(model, layer, replacement.convolutions, candidate.method)
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
