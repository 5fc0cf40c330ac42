"""Fitting and replacing layer after layer, for one decision after another on the same samples."""

from collections.abc import Mapping, Sequence

import onnx

from export.calibrate.passes import Passes
from export.choose.foreseen import foresee
from export.choose.offers import Offer
from export.choose.ranks import RULES
from export.choose.selection import Decision
from export.choose.spectrum import Energy
from export.layer import Layer
from export.methods.base import Replacement
from export.network.layers import ReducibleNetwork, network_of
from export.network.narrow import narrow
from export.network.rewrite import replace_layer
from export.network.shortcut import shortcut_of
from export.network.topology import depths
from export.reduction.options import ReduceOptions
from export.reduction.result import Promised, ReducedNetwork, layer_reports

THE_RESULT = "the reduced network"
PROMISED_RATIOS = (1.1, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 14.0, 20.0)


class Fitter:
    """Reduces one network again and again: what all reductions share was collected before."""

    def __init__(
        self, network: ReducibleNetwork, offers: list[Offer], options: ReduceOptions, passes: Passes
    ) -> None:
        """Prepare to fit.

        Args:
            network: The original network.
            offers: What each of its layers may become.
            options: How to choose and fit.
            passes: Have recorded the original's responses.
        """
        self._network = network
        self._offers = offers
        self._options = options
        self._passes = passes

    @property
    def image_passes(self) -> float:
        """Work of all passes over the images so far, counted in passes through the original network."""
        return self._passes.image_macs / self._network.macs

    def decide(self, target: float) -> Decision:
        """Choose what each layer is to become.

        Args:
            target: The whole network's cost before over after; where it is out of reach, as much as the
                methods can do.

        Returns:
            The candidates chosen, by the outputs of their layers; layers not in it stay.
        """
        wanted = max(target / self._options.cost.gain, 1.0)
        budget = self._whole / wanted - self._fixed
        return RULES[self._options.rule](self._offers, budget, self._options.cost.of)

    @property
    def energy(self) -> dict[str, tuple[Energy, ...]]:
        """How much of the responses of each layer lies in few dimensions, by the layers' outputs."""
        return {offer.layer.output: offer.energy for offer in self._offers if offer.energy}

    def promised(self) -> tuple[Promised, ...]:
        """What some targets would come to, by rising ratio, as far as the candidates can do them."""
        promises: list[Promised] = []
        for ratio in PROMISED_RATIOS:
            foreseen = foresee(self._offers, self.decide(ratio), self._options.cost)
            reached = self._options.cost.gain * self._whole / max(foreseen.cost + self._fixed, 1)
            if not promises or reached > promises[-1].ratio:
                promises.append(Promised(reached, foreseen.error))
            if reached < ratio:  # the methods can do no more
                break
        return tuple(promises)

    @property
    def _fixed(self) -> float:
        """Cost of what cannot become less."""
        return self._options.cost.rest + self._options.cost.of(self._network.counted)

    @property
    def _whole(self) -> float:
        """Cost of the original network."""
        return self._fixed + sum(self._options.cost.of([layer.shape]) for layer in self._network.layers)

    def reduce(self, decision: Decision) -> ReducedNetwork:
        """Fit and replace layer after layer, so that each is what was decided.

        Args:
            decision: Candidates by the outputs of their layers; layers not in it stay.

        Raises:
            ModelRefusedError: The network computes NaN or infinite values, or a fit does.
        """
        fitted, replacements = self._replace_layers(decision)
        # Which channels a layer leaves unread shows when it is fitted, and by then the convolution before it
        # is fitted already: so both are narrowed in the end.
        readers = [output for output, candidate in decision.items() if candidate.inputs_read is not None]
        reduced = self._read(narrow(fitted.model, readers)) if readers else fitted
        offered = {offer.layer.output for offer in self._offers if offer.candidates}
        return ReducedNetwork(reduced, layer_reports(self._network, reduced, replacements, offered))

    def _replace_layers(self, decision: Decision) -> tuple[ReducibleNetwork, dict[str, Replacement]]:
        """Fit layer after layer, each on the activations of the network as reduced so far.

        Layers that stay are left alone: fitted anew, they would shrink towards the mean whatever earlier
        layers have blurred, which lowers the error of each response and was seen to cost accuracy.
        """
        layers = [layer for layer in self._network.layers if layer.output in decision]
        replacements: dict[str, Replacement] = {}
        current = self._network
        self._passes.start_again(layers)
        for together in _stretches(self._network, layers):
            task = f"fitting layer {len(replacements) + 1} of {len(layers)}"
            fitted = self._fit(current, together, decision, task)
            model = current.model
            for layer in together:
                replacement = fitted[layer.output]
                model = replace_layer(model, layer, replacement.convolutions, replacement.candidate.method)
            replacements.update(fitted)
            current = self._read(model)
        return current, replacements

    def _fit(
        self, current: ReducibleNetwork, layers: Sequence[Layer], decision: Decision, task: str
    ) -> Mapping[str, Replacement]:
        """The replacements of layers that do not depend on each other, by their outputs."""
        methods = {method.name: method for method in self._options.methods}
        data = self._passes.gather(current, layers, task, with_pairs=self._options.nonlinear)
        # Samples are many: those of a layer go as soon as it is fitted.
        return {
            output: methods[decision[output].method].fit(data.pop(output), decision[output])
            for output in [layer.output for layer in layers]
        }

    def _read(self, model: onnx.ModelProto) -> ReducibleNetwork:
        original = self._network
        return network_of(model, original.input_size, THE_RESULT, original.layout, original.measured)


def _stretches(network: ReducibleNetwork, layers: Sequence[Layer]) -> list[list[Layer]]:
    """The layers in order; those of equal depth do not depend on each other and share a stretch."""
    depth = depths(network.model, {layer.output: shortcut_of(network, layer) for layer in layers})
    levels = sorted(set(depth.values()))
    return [[layer for layer in layers if depth[layer.output] == level] for level in levels]
