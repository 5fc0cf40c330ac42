"""What every evaluation needs: loaded networks, fed alike, and which class each folder stands for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.engines.onnxruntime import Network, open_network
from edge_runtime.model.golden import require_fit
from edge_runtime.model.preprocess import Placement, Preprocessor, Tensor
from export.calibrate.images import DecodedImage, ImageFolder


@dataclass(frozen=True)
class Contestant:
    """A network to be evaluated, and how to feed it.

    Attributes:
        network: The loaded network.
        card: Its model card.
    """

    network: Network
    card: ModelCard


class Feed:
    """Prepares each image once for all networks that want it alike."""

    def __init__(self, contestants: Sequence[Contestant]) -> None:
        self._contestants = contestants
        self._preprocessors = {c.card.input: Preprocessor(c.card.input) for c in contestants}

    def __call__(self, image: DecodedImage) -> list[tuple[Contestant, Tensor]]:
        """Each network with its input, which the next call overwrites."""
        tensors: dict[InputSpec, Tensor] = {
            spec: preprocessor(image.pixels) for spec, preprocessor in self._preprocessors.items()
        }
        return [(contestant, tensors[contestant.card.input]) for contestant in self._contestants]

    def placement(self, contestant: Contestant, image: DecodedImage) -> Placement:
        """Where the image lies in that network's input."""
        return self._preprocessors[contestant.card.input].placement(image.pixels)


def open_contestant(path: Path, threads: int | None, card: Path | None) -> Contestant:
    """Load a network with its card.

    Raises:
        InputError: The file or the card is bad, or they do not fit each other.
        ModelRefusedError: onnxruntime refuses the network.
    """
    network = open_network(path, threads)
    contestant = Contestant(network, network.card(card))
    require_fit(network, contestant.card)
    return contestant


def class_indices(folder: ImageFolder, card: ModelCard, classes: int) -> Mapping[str, int]:
    """Which class of the network each class folder stands for.

    By the card's labels where every folder's name is one; else by the folders' sorted order, where there are
    as many folders as classes.

    Raises:
        InputError: Neither holds.
    """
    names = folder.class_names
    labels = card.labels or {}
    index_of = {label: index for index, label in labels.items() if index < classes}
    if all(name in index_of for name in names):
        uses = Counter(labels.values())
        ambiguous = next((name for name in names if uses[name] > 1), None)
        if ambiguous is not None:
            raise InputError(
                f"label {ambiguous!r} names {uses[ambiguous]} classes of the model card; make them differ"
            )
        return {name: index_of[name] for name in names}
    if len(names) == classes:
        return {name: index for index, name in enumerate(names)}
    unknown = next(name for name in names if name not in index_of)
    raise InputError(
        f"cannot tell which class the folder {folder.root / unknown} is: it is no label of the model card, "
        f"and there are {len(names)} class folders for {classes} classes"
    )
