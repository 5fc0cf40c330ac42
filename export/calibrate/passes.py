"""The passes over the calibration images: their work is counted and their progress shown."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from export.calibrate.sampler import Sampler
from export.calibrate.stream import Activations, ActivationStream, KeptTensors
from export.fit.data import LayerData
from export.layer import Layer
from export.network.layers import ReducibleNetwork
from export.progress import Progress


class Passes:
    """One pass over the original network, then one over the network as it is reduced.

    Attributes:
        threads: Threads for onnxruntime.
    """

    def __init__(
        self, inputs: KeptTensors, sampler: Sampler, folder: Path, threads: int, progress: Progress
    ) -> None:
        self.threads = threads
        self._inputs = inputs
        self._sampler = sampler
        self._folder = folder
        self._progress = progress
        self._finished_macs = 0
        self._original = ActivationStream(inputs, folder / "original", threads)
        self._reduced = ActivationStream(inputs, folder / "reduced", threads)

    @property
    def image_macs(self) -> int:
        """Multiply-adds run so far for each image."""
        return self._finished_macs + self._original.image_macs + self._reduced.image_macs

    def record(
        self, network: ReducibleNetwork, layers: Sequence[Layer], *, with_patches: bool, last: bool = False
    ) -> dict[str, LayerData]:
        """A stretch of the pass over the original network: see ``Sampler.record``."""
        activations = self._advance(self._original, network, layers, "collecting responses", last=last)
        return self._sampler.record(layers, activations, with_patches=with_patches)

    def gather(
        self,
        network: ReducibleNetwork,
        layers: Sequence[Layer],
        task: str,
        *,
        with_pairs: bool,
        last: bool = False,
    ) -> dict[str, LayerData]:
        """A stretch of the pass over the network as it is reduced: see ``Sampler.gather``."""
        self._original.close()
        activations = self._advance(self._reduced, network, layers, task, last=last)
        return self._sampler.gather(layers, activations, with_pairs=with_pairs)

    def start_again(self) -> None:
        """Begin the pass over the reduced network anew: another choice is to be fitted."""
        self._finished_macs += self._reduced.image_macs
        self._reduced.close()
        self._reduced = ActivationStream(self._inputs, self._folder / "reduced", self.threads)

    def _advance(
        self,
        stream: ActivationStream,
        network: ReducibleNetwork,
        layers: Sequence[Layer],
        task: str,
        *,
        last: bool,
    ) -> Iterator[Activations]:
        wanted = sorted({name for layer in layers for name in self._sampler.tensors(layer)})
        for done, activations in enumerate(stream.advance(network, wanted, last=last), start=1):
            self._progress(task, done, self._inputs.count)
            yield activations
