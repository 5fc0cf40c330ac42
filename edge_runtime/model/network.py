"""A network that is loaded and ready to run, whichever engine runs it."""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edge_runtime.model.card import ModelCard, load_card
from edge_runtime.model.image import Outputs, Tensor
from edge_runtime.model.input_form import InputForm


@dataclass(frozen=True)
class OutputForm:
    """One output of a network, as its file declares it.

    Attributes:
        name: Its name.
        type: As onnxruntime writes it: ``tensor(float)``.
        shape: Length of each axis; a name, or None, where the file leaves it free.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class Network(ABC):
    """A network loaded and ready to run, with one input.

    Attributes:
        engine: The library that runs it.
        path: The file it came from.
        input: The form of its single input.
        outputs: The forms of its outputs.
        metadata: The file's ``metadata_props``.
    """

    engine: ClassVar[str]

    path: Path
    input: InputForm
    outputs: tuple[OutputForm, ...]
    metadata: dict[str, str]

    @property
    def closeness(self) -> float:
        """How far its answers may lie from another machine's or engine's, whatever a card says.

        Relative to an output's largest value: some kernels round more than others.
        """
        return 0.0

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all outputs."""
        return tuple(output.name for output in self.outputs)

    @property
    @abstractmethod
    def engine_version(self) -> str:
        """Version of the library that runs it."""

    @abstractmethod
    def run(self, tensor: Tensor) -> Outputs:
        """All outputs for one input tensor.

        Args:
            tensor: One image, as the preprocessor makes it.

        Returns:
            One array per output, in the order of ``outputs``; each is its receiver's to keep. Outputs of
            float16 come as float32: sums over many of its values would leave its range.

        Raises:
            ModelRefusedError: The engine cannot run it on a tensor of this shape.
        """

    def card(self, override: Path | None = None) -> ModelCard:
        """The model card of the network.

        Args:
            override: A card in JSON that takes the place of the network's own.

        Raises:
            InputError: There is none, or it is malformed.
        """
        return load_card(self.metadata, self.path, override)


def default_threads() -> int:
    """How many threads to run with unless told otherwise: the processors this process may use."""
    return len(os.sched_getaffinity(0))
