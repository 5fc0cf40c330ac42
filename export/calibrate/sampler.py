"""Samples of a layer's input patches and wanted responses, over all calibration images.

The response wanted of a layer is the original one, plus what its shortcut has lost: see ``shortcut``. The
original responses are kept on disk until the layer is fitted.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from export.calibrate.inputs import KeptInputs
from export.calibrate.layer_moments import LayerMoments
from export.calibrate.pairs import PairChooser
from export.calibrate.patches import Samples
from export.calibrate.plan import SamplingPlan, Shortcuts
from export.calibrate.shard import Responses, moments_of_shard
from export.calibrate.stream import Activations, finite
from export.calibrate.weighted_layer import WeightedLayer, weighted_layer
from export.fit.data import LayerData
from export.layer import Layer
from export.network.following import nonlinearity_after
from export.network.layers import ReducibleNetwork


class Sampler:
    """Samples all images of a set, and keeps the original responses on disk.

    Attributes:
        plan: Where it samples.
    """

    def __init__(self, network: ReducibleNetwork, inputs: KeptInputs, seed: int, folder: Path) -> None:
        """Prepare to sample.

        Args:
            network: The original network.
            inputs: The images to fit on.
            seed: Chooses the positions.
            folder: Where the original responses are kept until they are fitted.

        Raises:
            InputError: There are fewer images than can be split into two parts.
        """
        self.plan = SamplingPlan(network, inputs, seed)
        self._network = network
        self._indices = inputs.indices
        self._folder = folder

    def record(
        self, layers: Sequence[Layer], activations: Iterator[Activations], *, with_patches: bool
    ) -> dict[str, LayerData]:
        """Sample the original responses of some layers and keep them on disk.

        Args:
            layers: The layers.
            activations: Their inputs in the original network, image by image.
            with_patches: Collect the moments of the patches too, not only those of the responses.

        Returns:
            Moments of (x, y) of each layer by its output; of an empty x if not ``with_patches``.
        """
        with contextlib.ExitStack() as stack:
            files = {layer.output: stack.enter_context(self._file(layer).open("wb")) for layer in layers}

            def responses(own: WeightedLayer, _: int, patches: Samples, shortcuts: Shortcuts) -> Samples:
                values = own.respond(patches)
                # With the original shortcut: ``gather`` takes the reduced one away from it.
                finite(own.layer.output, values + shortcuts).tofile(files[own.layer.output])
                return values

            moments = self._moments(layers, activations, responses, with_patches=with_patches)
        return {output: collected.data() for output, collected in moments.items()}

    def gather(
        self, layers: Sequence[Layer], activations: Iterator[Activations], *, with_pairs: bool
    ) -> dict[str, LayerData]:
        """Pair the recorded responses with patches from the reduced network.

        Args:
            layers: The layers.
            activations: Their inputs in the network as reduced so far, image by image.
            with_pairs: Keep some samples themselves, where an activation follows that is known.

        Returns:
            What there is to fit each layer on, by its output.
        """
        recorded = {layer.output: self._read(layer) for layer in layers}
        following = {
            layer.output: nonlinearity_after(self._network.model, layer.output) if with_pairs else None
            for layer in layers
        }
        choosers = {
            layer.output: PairChooser(self.plan.images, layer.patch_length)
            for layer in layers
            if following[layer.output]
        }

        def responses(own: WeightedLayer, index: int, patches: Samples, shortcuts: Shortcuts) -> Samples:
            wanted = next(recorded[own.layer.output]) - shortcuts
            if own.layer.output in choosers:
                choosers[own.layer.output].add(index, patches, wanted)
            return wanted

        moments = self._moments(layers, activations, responses, with_patches=True)
        return {
            output: collected.data(
                following[output], choosers[output].pairs() if output in choosers else None
            )
            for output, collected in moments.items()
        }

    def _moments(
        self,
        layers: Sequence[Layer],
        activations: Iterator[Activations],
        responses: Responses,
        *,
        with_patches: bool,
    ) -> dict[str, LayerMoments]:
        """The moments of all images: here they are a single shard."""
        return moments_of_shard(
            self.plan,
            [weighted_layer(self._network, layer) for layer in layers],
            zip(self._indices, activations, strict=True),
            responses,
            with_patches=with_patches,
        )

    def _read(self, layer: Layer) -> Iterator[Samples]:
        rows = self.plan.positions(layer)
        with self._file(layer).open("rb") as file:
            for _ in self._indices:
                values = np.fromfile(file, np.float32, rows * layer.out_channels)
                yield values.reshape(rows, layer.out_channels)

    def _file(self, layer: Layer) -> Path:
        return self._folder / f"responses-{self.plan.number(layer)}.f32"
