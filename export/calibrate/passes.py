"""The passes over the calibration images: their work is counted and their progress shown."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from export.calibrate.inputs import KeptInputs
from export.calibrate.sampler import Sampler
from export.calibrate.stream import Activations, ActivationStream
from export.fit.data import LayerData
from export.layer import Layer
from export.network.layers import ReducibleNetwork
from export.progress import Progress


class Passes:
    """Takes the calibration images through a network, and hands back what each layer is fitted on.

    First one pass over the original network, then one over the network as it is reduced, for each choice.
    """

    def __init__(
        self,
        network: ReducibleNetwork,
        inputs: KeptInputs,
        sampler: Sampler,
        folder: Path,
        *,
        threads: int,
        progress: Progress,
    ) -> None:
        """Prepare for the pass over the original network.

        Args:
            network: The original network.
            inputs: The images to fit on.
            sampler: Samples them.
            folder: For what is kept on the way.
            threads: Threads for onnxruntime.
            progress: Told after each image of each stretch.
        """
        self._inputs = inputs
        self._sampler = sampler
        self._folder = folder
        self._threads = threads
        self._progress = progress
        self._finished_macs = 0
        self._original = self._stream("original", network.reducible)
        self._reduced = self._stream("reduced", ())

    @property
    def image_macs(self) -> int:
        """Multiply-adds run so far for each image, in all passes."""
        return self._finished_macs + self._original.image_macs + self._reduced.image_macs

    def record(
        self, network: ReducibleNetwork, layers: Sequence[Layer], *, with_patches: bool
    ) -> dict[str, LayerData]:
        """Go on with the pass over the original network, up to some layers, and record their responses.

        Args:
            network: The original network.
            layers: The layers.
            with_patches: Collect the moments of the patches too, not only those of the responses.

        Returns:
            What there is to choose each layer's candidates by, by its output.

        Raises:
            ModelRefusedError: The network cannot be run, or computes NaN or infinite values.
        """
        activations = self._advance(self._original, network, layers, "collecting responses")
        return self._sampler.record(layers, activations, with_patches=with_patches)

    def start_again(self, layers: Sequence[Layer]) -> None:
        """Begin a pass over the reduced network, in which these layers of the original are to be fitted."""
        self._original.close()  # that pass is over: nothing more will read what it kept
        self._finished_macs += self._reduced.image_macs
        self._reduced.close()
        self._reduced = self._stream("reduced", layers)

    def gather(
        self, network: ReducibleNetwork, layers: Sequence[Layer], task: str, *, with_pairs: bool
    ) -> dict[str, LayerData]:
        """Go on with the pass over the network as it is reduced, up to some layers that are to be fitted.

        Args:
            network: The network as reduced so far.
            layers: The layers, as they are in the original network.
            task: What is under way, for whoever watches.
            with_pairs: Keep some samples themselves, where an activation follows that is known.

        Returns:
            What there is to fit each layer on, by its output.

        Raises:
            ModelRefusedError: The network cannot be run, or computes NaN or infinite values.
        """
        activations = self._advance(self._reduced, network, layers, task)
        return self._sampler.gather(layers, activations, with_pairs=with_pairs)

    def _stream(self, name: str, layers: Sequence[Layer]) -> ActivationStream:
        goals = self._tensors(layers)
        return ActivationStream(self._inputs, self._folder / name, goals=goals, threads=self._threads)

    def _advance(
        self, stream: ActivationStream, network: ReducibleNetwork, layers: Sequence[Layer], task: str
    ) -> Iterator[Activations]:
        for done, activations in enumerate(stream.advance(network, self._tensors(layers)), start=1):
            self._progress(task, done, len(self._inputs))
            yield activations

    def _tensors(self, layers: Sequence[Layer]) -> list[str]:
        return sorted({name for layer in layers for name in self._sampler.plan.tensors(layer)})
