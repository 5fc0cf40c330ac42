"""Samples of a layer's input patches and wanted responses, over all calibration images.

The response wanted of a layer is the original one, plus what its shortcut has lost: see ``shortcut``.

Positions depend on the seed, the layer and the image only, so the original and the reduced network are
sampled at the same places.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from export.calibrate.layer_moments import LayerMoments
from export.calibrate.patches import Positions, extract_patches, responses_at, sample_positions
from export.calibrate.stream import Activations, finite
from export.fit.data import LayerData, Pairs
from export.fit.moments import Matrix, Vector
from export.layer import Layer
from export.network.following import nonlinearity_after
from export.network.layers import ReducibleNetwork
from export.network.shortcut import shortcut_of

Samples = NDArray[np.float32]
Shortcuts = Samples | np.float32

HELD_OUT_EVERY = 5
MIN_IMAGES = HELD_OUT_EVERY
MIN_POSITIONS = 20
MAX_POSITIONS = 512
MIN_SAMPLES = 32_000
SAMPLES_PER_UNKNOWN = 8
PAIRS = 25_000
PAIRS_BYTES = 1 << 28


class Sampler:
    """Knows where each layer is sampled, and keeps the original responses on disk."""

    def __init__(self, network: ReducibleNetwork, images: int, seed: int, folder: Path) -> None:
        """Prepare to sample.

        Args:
            network: The original network.
            images: Number of calibration images.
            seed: Chooses the positions.
            folder: Where the original responses are kept until they are fitted.

        Raises:
            InputError: There are fewer images than can be split into two parts.
        """
        if images < MIN_IMAGES:
            raise InputError(f"{images} calibration images are too few; give at least {MIN_IMAGES + 1}")
        self._network = network
        self._images = images
        self._seed = seed
        self._folder = folder
        self._index = {layer.output: index for index, layer in enumerate(network.layers)}
        self._shortcuts = {layer.output: shortcut_of(network, layer) for layer in network.layers}

    def positions(self, layer: Layer) -> int:
        """Positions for each image: more where a layer has many unknowns and there are few images."""
        unknowns = max(layer.patch_length, layer.out_channels // layer.group)
        samples = max(MIN_SAMPLES, SAMPLES_PER_UNKNOWN * unknowns)
        wanted = -(-samples // self._images)
        return min(layer.positions, max(MIN_POSITIONS, min(MAX_POSITIONS, wanted)))

    def tensors(self, layer: Layer) -> tuple[str, ...]:
        """The tensors that are sampled for a layer: its input, and what is added to its response."""
        shortcut = self._shortcuts[layer.output]
        return (layer.input, shortcut) if shortcut else (layer.input,)

    def patches(self, layer: Layer, image_index: int, activations: Activations) -> Samples:
        """(n, c·kh·kw) patches of one image."""
        return extract_patches(layer, activations[layer.input], self._where(layer, image_index))

    def shortcuts(self, layer: Layer, image_index: int, activations: Activations) -> Shortcuts:
        """(n, d) values added to the response at the same positions, or 0 where nothing is."""
        shortcut = self._shortcuts[layer.output]
        if not shortcut:
            return np.float32(0)
        return responses_at(layer, activations[shortcut], self._where(layer, image_index))

    def _where(self, layer: Layer, image_index: int) -> Positions:
        index = self._index[layer.output]
        return sample_positions(layer, self.positions(layer), self._seed, index, image_index)

    def images_needed(self, layer: Layer) -> int:
        """Images that give more samples to fit on than there are channels to explain; 0 if there are enough.

        Fully connected layers, with one sample from an image, have a method that needs none.
        """
        fitted = self._images - self._images // HELD_OUT_EVERY
        unknowns = layer.out_channels // layer.group
        if layer.fully_connected or fitted * self.positions(layer) > unknowns:
            return 0
        needed = unknowns // self.positions(layer) * HELD_OUT_EVERY // (HELD_OUT_EVERY - 1) + 2
        return needed + needed // 4 + 1  # of which some judge

    def record(
        self, layers: Sequence[Layer], activations: Iterator[Activations], *, with_patches: bool
    ) -> dict[str, LayerData]:
        """Sample the original responses of some layers and keep them on disk.

        Args:
            layers: The layers.
            activations: Their inputs in the original network.
            with_patches: Collect the moments of the patches too, not only those of the responses.

        Returns:
            Moments of (x, y) of each layer by its output; of an empty x if not ``with_patches``.
        """
        moments = self._moments(layers, with_patches=with_patches)
        with contextlib.ExitStack() as stack:
            files = {layer.output: stack.enter_context(self._file(layer).open("wb")) for layer in layers}

            def responses(layer: Layer, patches: Samples, shortcuts: Shortcuts) -> Samples:
                values = moments[layer.output].respond(patches)
                finite(layer.output, values + shortcuts).tofile(files[layer.output])
                return values

            self._collect(layers, activations, responses, moments)
        return {name: collected.data() for name, collected in moments.items()}

    def gather(
        self, layers: Sequence[Layer], activations: Iterator[Activations], *, with_pairs: bool
    ) -> dict[str, LayerData]:
        """Pair the recorded responses with patches from the reduced network.

        Args:
            layers: The layers.
            activations: Their inputs in the network as reduced so far.
            with_pairs: Keep some samples themselves, where an activation follows that is known.

        Returns:
            What there is to fit each layer on, by its output.
        """
        recorded = {layer.output: self._read(layer) for layer in layers}
        following = {
            layer.output: nonlinearity_after(self._network.model, layer.output) if with_pairs else None
            for layer in layers
        }
        chosen = {
            layer.output: PairChooser(self._images, layer.patch_length)
            for layer in layers
            if following[layer.output]
        }

        def responses(layer: Layer, patches: Samples, shortcuts: Shortcuts) -> Samples:
            wanted = next(recorded[layer.output]) - shortcuts
            if layer.output in chosen:
                chosen[layer.output].add(patches, wanted)
            return wanted

        moments = self._moments(layers, with_patches=True)
        self._collect(layers, activations, responses, moments)
        return {
            name: collected.data(following[name], chosen[name].pairs() if name in chosen else None)
            for name, collected in moments.items()
        }

    def _moments(self, layers: Sequence[Layer], *, with_patches: bool) -> dict[str, LayerMoments]:
        return {
            layer.output: LayerMoments(layer, *layer_weights(self._network, layer), with_patches=with_patches)
            for layer in layers
        }

    def _collect(
        self,
        layers: Sequence[Layer],
        activations: Iterator[Activations],
        responses: Callable[[Layer, Samples, Shortcuts], Samples],
        moments: Mapping[str, LayerMoments],
    ) -> None:
        """Add the patches and responses of every image to the moments of each layer."""
        for image_index, activation in enumerate(activations):
            for layer in layers:
                patches = self.patches(layer, image_index, activation)
                wanted = responses(layer, patches, self.shortcuts(layer, image_index, activation))
                moments[layer.output].add(patches, wanted, held_out=is_held_out(image_index))

    def _read(self, layer: Layer) -> Iterator[Samples]:
        rows = self.positions(layer)
        with self._file(layer).open("rb") as file:
            for _ in range(self._images):
                values = np.fromfile(file, np.float32, rows * layer.out_channels)
                yield values.reshape(rows, layer.out_channels)

    def _file(self, layer: Layer) -> Path:
        return self._folder / f"responses-{self._index[layer.output]}.f32"


class PairChooser:
    """Keeps an even part of the samples, so that they take the same memory for any number of images."""

    def __init__(self, images: int, patch_length: int) -> None:
        pairs = min(PAIRS, PAIRS_BYTES // (4 * patch_length))
        self._rows = max(1, pairs // images)
        self._every = max(1, images // pairs)
        self._image = 0
        self._kept: tuple[list[tuple[Samples, Samples]], ...] = ([], [])

    def add(self, patches: Samples, responses: Samples) -> None:
        """Offer the samples of the next image."""
        if self._image % self._every == 0:
            rows = np.unique(np.linspace(0, len(patches) - 1, min(self._rows, len(patches))).astype(int))
            self._kept[is_held_out(self._image)].append((patches[rows], responses[rows]))
        self._image += 1

    def pairs(self) -> Pairs:
        """What was kept."""
        (fit_x, fit_y), (held_out_x, held_out_y) = (
            tuple(np.concatenate(side) for side in zip(*part, strict=True)) for part in self._kept
        )
        return Pairs(fit_x, fit_y, held_out_x, held_out_y)


def is_held_out(image_index: int) -> bool:
    """Whether an image serves to choose and not to fit."""
    return image_index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


def layer_weights(network: ReducibleNetwork, layer: Layer) -> tuple[Matrix, Vector]:
    """Weights (d, c·kh·kw) and bias (d,) of a layer in float64."""
    weights = network.array(layer.weight).astype(np.float64)
    weights = weights.T if layer.transposed else weights.reshape(layer.out_channels, -1)
    bias = network.array(layer.bias).astype(np.float64).ravel() if layer.bias else np.zeros(1)
    return weights, np.broadcast_to(bias, layer.out_channels)
