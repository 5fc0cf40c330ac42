"""A network that is ready for frames: what everything runs that runs a network on pictures.

The pipeline, the benchmark, the doctor and the workstation's evaluation share it, so that all of them see the
same pixels and refuse the same files.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard
from edge_runtime.model.engines.select import open_network
from edge_runtime.model.golden import fitted_card, golden_frame
from edge_runtime.model.image import Image, Outputs
from edge_runtime.model.network import Network
from edge_runtime.model.preprocess import Preprocessor
from edge_runtime.postprocess.base import Postprocessor, Result
from edge_runtime.postprocess.select import make_postprocessor
from edge_runtime.postprocess.wanted import EVERYTHING, Wanted, wanted_results
from edge_runtime.settings.arguments import ENGINES


class Model:
    """A network with its card: called on a picture, it says what is in it.

    The three steps of a call stand for themselves where somebody times or shares them: ``preprocess``,
    ``network.run`` and ``read``. Not for two threads at once: the buffer of the network's input is one.

    Attributes:
        network: What runs.
        card: How it takes its frames, and what its outputs mean; it says the layout of the input, too.
        wanted: Which of its results are given.
    """

    def __init__(self, network: Network, card: ModelCard, wanted: Wanted = EVERYTHING) -> None:
        """Put them together.

        Args:
            network: What runs.
            card: How it takes its frames, and what its outputs mean.
            wanted: Which of its results are given.

        Raises:
            InputError: The card does not fit the network.
            ModelRefusedError: The network takes no image or several at once, or gives no numbers.
        """
        self.network = network
        self.card = fitted_card(network, card)
        self.wanted = wanted

    @classmethod
    def open(
        cls,
        path: Path | str,
        card: ModelCard | Path | str | None = None,
        threads: int | None = None,
        *,
        engine: str = ENGINES[0],
        score: float | None = None,
        classes: Sequence[str] | None = None,
    ) -> Self:
        """Load a network and its card.

        Args:
            path: An ONNX file.
            card: A model card, or the JSON file that holds one, instead of the network's own.
            threads: Threads within one inference; all processors if None.
            engine: What runs it: ``onnxruntime``, or ``ncnn`` where the file was made for it.
            score: Give only labels or detections of at least this score, 0 to 1, in place of the card's.
            classes: Give only those of these classes: names from the card, or numbers from 0.

        Raises:
            InputError: A file is missing or malformed, the card does not fit the network, it names no such
                class, nothing can be chosen since its outputs are not decoded, or the engine is not there.
            ModelRefusedError: The engine refuses the network, or it takes no image, or gives no numbers.
        """
        network = open_network(Path(path), threads, engine)
        if not isinstance(card, ModelCard):
            card = network.card(None if card is None else Path(card))
        return cls(network, card, wanted_results(card, score, classes))

    def __call__(self, image: Image) -> Result:
        """What the network sees in a picture.

        Args:
            image: (H, W, 3) uint8, blue, green, red, of any size.

        Raises:
            InputError: It is no such array, or the card does not fit the network's outputs.
            ModelRefusedError: The network cannot run, or its outputs are not those of the card's decoder.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.size == 0 or image.dtype != "uint8":
            raise InputError(
                f"no picture: an array of {image.dtype} and shape {image.shape}; give one of uint8 and shape "
                "(height, width, 3), its channels blue, green, red"
            )
        return self.read(self.network.run(self.preprocess(image)), image)

    # The two that follow are made when first used: who only runs the network (a benchmark, the doctor) does
    # not pay for a decoder, and is not stopped by a malformed one.

    @cached_property
    def preprocess(self) -> Preprocessor:
        """Turns a frame into the network's input: a buffer that the next frame overwrites."""
        return Preprocessor(self.card.input, self.network.input.element)

    @cached_property
    def postprocess(self) -> Postprocessor:
        """Turns the outputs into a result. Raises ``InputError`` where the card's decoder is malformed."""
        return make_postprocessor(self.card, self.wanted)

    def prepare(self) -> None:
        """Have everything ready that the first frame would otherwise wait for, or fail by.

        Raises:
            InputError: The card's decoder is malformed.
        """
        _ = self.preprocess, self.postprocess

    def try_out(self) -> None:
        """Read the outputs for a frame of noise: what the first real frame would fail by shows here.

        Raises:
            InputError: The card does not fit the network's outputs, or its decoder is malformed.
            ModelRefusedError: The network cannot run, or its outputs are not those of the card's decoder.
        """
        self(golden_frame(0, self.card.input.size))

    def read(self, outputs: Outputs, image: Image) -> Result:
        """The result that the outputs for a frame mean.

        Args:
            outputs: What ``network.run`` gave for it.
            image: The frame itself, whose size tells where boxes lie in it.

        Raises:
            InputError: The card does not fit the outputs.
            ModelRefusedError: The outputs are not those of the card's decoder.
        """
        height, width = image.shape[:2]
        return self.postprocess(outputs, self.preprocess.placement(image), (height, width))

    @property
    def class_names(self) -> frozenset[str]:
        """Names of the classes that its results can name; none where its outputs are not decoded."""
        if self.card.task == "raw":
            return frozenset()
        wanted = self.wanted.classes
        labels = (self.card.labels or {}).items()
        return frozenset(name for index, name in labels if wanted is None or index in wanted)
