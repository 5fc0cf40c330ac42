"""Where each layer is sampled: decided by the seed, the layer and the image's global index alone."""

import numpy as np

from edge_runtime.base.errors import InputError
from export.calibrate.calibration_set import HELD_OUT_EVERY, is_held_out
from export.calibrate.inputs import KeptInputs
from export.calibrate.patches import Positions, Samples, extract_patches, responses_at, sample_positions
from export.calibrate.stream import Activations
from export.layer import Layer
from export.network.layers import ReducibleNetwork
from export.network.shortcut import shortcut_of

#: Values added to a response where a shortcut is; 0 where none is.
Shortcuts = Samples | np.float32

MIN_IMAGES = HELD_OUT_EVERY
MIN_POSITIONS = 20  # of an image, with very many images: positions of one image are alike, so few will do
MAX_POSITIONS = 512
MIN_SAMPLES = 32_000
SAMPLES_PER_UNKNOWN = 8  # 4 left 17 % more error in the outputs of resnet18 at 2x


class SamplingPlan:
    """Knows where each layer of a network is sampled in each image.

    The original and the reduced network are sampled at the same places, on whatever machine.

    Attributes:
        images: Number of images of the whole set.
    """

    def __init__(self, network: ReducibleNetwork, inputs: KeptInputs, seed: int) -> None:
        """Plan.

        Args:
            network: The original network.
            inputs: All images to fit on.
            seed: Chooses the positions.

        Raises:
            InputError: There are fewer images than can be split into two parts.
        """
        self.images = len(inputs)
        held_out = sum(is_held_out(index) for index in inputs.indices)
        if not self.images:
            raise InputError("there are no calibration images")
        if self.images < MIN_IMAGES or held_out in (0, self.images):
            raise InputError(f"{self.images} calibration images are too few; give at least {MIN_IMAGES + 1}")
        self._fitted = self.images - held_out
        self._seed = seed
        self._index = {layer.output: index for index, layer in enumerate(network.layers)}
        self._shortcuts = {layer.output: shortcut_of(network, layer) for layer in network.layers}

    def positions(self, layer: Layer) -> int:
        """How many positions of a layer are sampled in each image: more for many unknowns and few images."""
        unknowns = max(layer.patch_length, layer.out_channels // layer.group)
        samples = max(MIN_SAMPLES, SAMPLES_PER_UNKNOWN * unknowns)
        wanted = -(-samples // self.images)
        return min(layer.positions, max(MIN_POSITIONS, min(MAX_POSITIONS, wanted)))

    def tensors(self, layer: Layer) -> tuple[str, ...]:
        """The tensors that are sampled for a layer: its input, and what is added to its response."""
        shortcut = self._shortcuts[layer.output]
        return (layer.input, shortcut) if shortcut else (layer.input,)

    def patches(self, layer: Layer, index: int, activations: Activations) -> Samples:
        """The patches that are sampled for a layer in one image.

        Args:
            layer: The layer.
            index: The image's global index.
            activations: The image's tensors, those that ``tensors`` names among them.

        Returns:
            (n, c·kh·kw) float32, a row for each position.
        """
        return extract_patches(layer, activations[layer.input], self._where(layer, index))

    def shortcuts(self, layer: Layer, index: int, activations: Activations) -> Shortcuts:
        """What is added to a layer's response, at the positions at which it is sampled in one image.

        Args:
            layer: The layer.
            index: The image's global index.
            activations: The image's tensors, those that ``tensors`` names among them.

        Returns:
            (n, d) float32, or 0 where nothing is added.
        """
        shortcut = self._shortcuts[layer.output]
        if not shortcut:
            return np.float32(0)
        return responses_at(layer, activations[shortcut], self._where(layer, index))

    def number(self, layer: Layer) -> int:
        """A layer's place among all layers of the network, from 0."""
        return self._index[layer.output]

    def images_needed(self, layer: Layer) -> int:
        """Images that give more samples to fit on than there are channels to explain; 0 if there are enough.

        Fully connected layers, with one sample from an image, have a method that needs none.
        """
        unknowns = layer.out_channels // layer.group
        if layer.fully_connected or self._fitted * self.positions(layer) > unknowns:
            return 0
        needed = unknowns // self.positions(layer) * HELD_OUT_EVERY // (HELD_OUT_EVERY - 1) + 2
        return needed + needed // 4 + 1  # of which some judge

    def _where(self, layer: Layer, index: int) -> Positions:
        return sample_positions(layer, self.positions(layer), self._seed, self.number(layer), index)
