"""What all that makes a network of a network begins with: its card, its layers, and the versions in use."""

import platform
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx

from edge_runtime import __version__
from edge_runtime.base.errors import InputError
from edge_runtime.base.files import require_writable
from edge_runtime.inference import Model
from edge_runtime.model.card import ModelCard
from edge_runtime.model.engines.onnxruntime import onnxruntime_version
from edge_runtime.model.input_form import fitted
from export.judge.output_shapes import require_comparable
from export.network.batch import with_batch_of_one
from export.network.card import completed
from export.network.layers import ReducibleNetwork, read_network
from export.network.source import SourceModel


def card_of(source: SourceModel, override: Path | None, output: Path | None) -> ModelCard:
    """The network's card, once it is known that the output can be written.

    Args:
        source: The network.
        override: A card that takes the place of the network's own.
        output: The file to write; None to write none.

    Raises:
        InputError: There is no card or it is malformed, or the output cannot be written or is the network.
    """
    if output is not None:
        require_writable(output)
    card = source.require_card(override)
    if output is not None and output.exists() and output.samefile(source.path):
        raise InputError(f"{output} is the network itself; give another output path")
    return card


def readied(source: SourceModel, card: ModelCard) -> tuple[SourceModel, ModelCard, ReducibleNetwork]:
    """A network of one image at a time, its card with what the file says of its input, and its layers.

    Raises:
        InputError: The card does not fit the network's input.
        ModelRefusedError: The network cannot be read, or not be run on one image.
    """
    source = with_batch_of_one(source, card.input.size, card.input.layout)
    card = replace(card, input=fitted(card.input, source.input, source.path))
    network = read_network(source, card.input.size, card.input.layout)
    return source, card, network


def require_sound(source: SourceModel, card: ModelCard, threads: int) -> None:
    """See that the original runs on the card's terms, and that its outputs can be compared.

    Raises:
        InputError: The card does not fit the network.
        ModelRefusedError: It cannot run, or its outputs cannot be compared.
    """
    original = source.network(threads)
    completed(card, original)
    require_comparable(Model(original, card), source.proto)


def versions() -> dict[str, str]:
    """Versions of every library whose change may change a result, by their names."""
    return {
        "pi-infer": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime_version(),
    }
