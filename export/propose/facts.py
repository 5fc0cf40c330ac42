"""What a network without a card shows of itself: its input, and its outputs for one frame of noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.golden import golden_frame
from edge_runtime.model.input_form import CHANNELS, layout_of
from edge_runtime.model.network import Network, default_threads
from edge_runtime.postprocess.likely import likely_kind
from export.network.attributes import operator
from export.network.batch import with_batch_of_one
from export.network.source import SourceModel

Size = tuple[int, int]

#: Sides that are tried where a network leaves its size free: usual ones of classifiers, then of others.
USUAL_SIDES = (224, 640, 320, 416, 512, 300, 299, 256, 160, 128, 96, 64, 48, 32, 28)
USUAL_SIDE_OF_DETECTORS = 640

_TRANSPARENT = {"Transpose", "Cast", "Identity"}


@dataclass(frozen=True)
class Facts:
    """What is known of a network without a card.

    Attributes:
        path: Its file.
        metadata: What its exporter wrote into it.
        producer: The program that wrote the file.
        network: Ready to run.
        channels: Of its input: 1 or 3.
        size: Height and width with which it was run, in pixels.
        size_why: Where that comes from, in words.
        size_is_guessed: Whether nothing tells it, and another would do as well.
        takes_pixels: Whether its input is of whole numbers, and so takes pixels as they are.
        first_operator: What it does with its input first.
        shapes: Of its outputs for one image.
    """

    path: Path
    metadata: Mapping[str, str]
    producer: str
    network: Network
    channels: int
    size: Size
    size_why: str
    size_is_guessed: bool
    takes_pixels: bool
    first_operator: str
    shapes: tuple[tuple[int, ...], ...]


def single_image(source: SourceModel, preferred: Size | None = None) -> SourceModel:
    """The network itself, or where it takes several images at once one that takes a single one.

    Args:
        source: The network.
        preferred: Height and width of its images where it leaves them free; a usual one if None.

    Raises:
        InputError: It does not take images of that size.
        ModelRefusedError: What it computes depends on the batch, or it cannot run.
    """
    own = source.input.size(layout_of(source.input, None, source.path))
    (size,) = _fixed([preferred or (USUAL_SIDES[0],) * 2], own)
    return with_batch_of_one(source, size)


def look_at(source: SourceModel, preferred: Size | None = None) -> Facts:
    """Run a network once, and see what it takes and gives.

    Args:
        source: The network, of one image at a time.
        preferred: Height and width to try first where it leaves them free.

    Raises:
        InputError: It leaves its size free, and runs with none of the usual ones.
        ModelRefusedError: It takes no frames, or cannot run.
    """
    network = source.network(default_threads())
    layout = layout_of(source.input, None, source.path)
    channels, own = source.input.channels(layout), source.input.size(layout)
    if channels not in (None, *CHANNELS):
        raise ModelRefusedError(
            f"{source.path} takes images of {channels} channels; a frame has three, or one in grey"
        )
    channels = channels or 3
    said = [] if preferred is None else _fixed([preferred], own)
    size, shapes = _first_run(network, channels, said + _fixed(_squares(USUAL_SIDES), own))
    guessed = None in own and size not in said
    if guessed and likely_kind(shapes) is not None:
        detectors = _fixed(_squares((USUAL_SIDE_OF_DETECTORS,)), own)
        size, shapes = _first_run(network, channels, [*detectors, size])
    why = "what its exporter says" if size in said else "the network's input"
    return Facts(
        path=source.path,
        metadata=source.metadata,
        producer=source.proto.producer_name,
        network=network,
        channels=channels,
        size=size,
        size_why="the network leaves it free" if guessed else why,
        size_is_guessed=guessed,
        takes_pixels=source.input.element == "uint8",
        first_operator=_first_operator(source.proto, source.input.name),
        shapes=shapes,
    )


def _squares(sides: Sequence[int]) -> list[Size]:
    return [(side, side) for side in sides]


def _fixed(sizes: Sequence[Size], own: tuple[int | None, int | None]) -> list[Size]:
    """The sizes with the sides that the network fixes in place of theirs, each once."""
    return list(dict.fromkeys((own[0] or height, own[1] or width) for height, width in sizes))


def _first_run(
    network: Network, channels: int, sizes: Sequence[Size]
) -> tuple[Size, tuple[tuple[int, ...], ...]]:
    """The first of these sizes that the network runs with, and its outputs' shapes."""
    refused: ModelRefusedError | None = None
    for size in sizes:
        colour = "GRAY" if channels == 1 else "RGB"
        scale = 1.0 if network.input.element == "uint8" else 1 / 255
        spec = InputSpec(size, colour=colour, mean=(0.0,) * channels, std=(1.0,) * channels, scale=scale)
        model = Model(network, ModelCard(spec, task="raw"))
        try:
            outputs = network.run(model.preprocess(golden_frame(0, size)))
        except ModelRefusedError as error:
            refused = refused or error
            continue
        return size, tuple(tuple(output.shape) for output in outputs)
    if len(sizes) == 1 and refused is not None:
        raise refused
    raise InputError(
        f"{network.path} leaves its input size free, and does not run with any usual one: "
        f"write a card that gives it, and pass it with --input CARD.json{network.input.layout_hint}"
    )


def _first_operator(model: onnx.ModelProto, name: str) -> str:
    """What is done first with the input, beyond turning and converting it."""
    for node in model.graph.node:
        if name in node.input:
            if operator(node) not in _TRANSPARENT:
                return operator(node)
            name = node.output[0]
    return ""
