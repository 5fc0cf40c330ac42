"""What every evaluation needs: networks that are fed alike, and which class each folder stands for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.inference import Model
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.image import Placement, Tensor
from edge_runtime.model.network import default_threads
from export.calibrate.images import DecodedImage, ImageFolder
from export.judge.output_shapes import require_comparable
from export.network.batch import with_batch_of_one
from export.network.source import read_source


def open_contestant(path: Path, card: Path | None, threads: int | None) -> Model:
    """A network to be evaluated, as everything here reads it: as one file, and taking one image at a time.

    Args:
        path: An ONNX file; its weights may lie beside it.
        card: A JSON file with a model card that takes the place of its own.
        threads: Threads within one inference; all processors if None.

    Raises:
        InputError: A file is missing or malformed, or the card does not fit the network.
        ModelRefusedError: The network cannot run, takes no image, gives no numbers, or gives some that no
            network can be compared by.
    """
    source = read_source(path)
    own = source.require_card(card)
    source = with_batch_of_one(source, own.input.size, own.input.layout)
    model = Model(source.network(threads or default_threads()), own)
    require_comparable(model, source.proto)
    return model


class Feed:
    """Feeds networks the same images: each is prepared once for all that want it alike."""

    def __init__(self, contestants: Sequence[Model]) -> None:
        self._contestants = contestants
        self._preprocessors = {_wants(model): model.preprocess for model in contestants}

    def __call__(self, image: DecodedImage) -> list[tuple[Model, Tensor]]:
        """Prepare an image: each network with its input, which the next call overwrites."""
        tensors: dict[tuple[InputSpec, str], Tensor] = {
            wanted: preprocessor(image.pixels) for wanted, preprocessor in self._preprocessors.items()
        }
        return [(contestant, tensors[_wants(contestant)]) for contestant in self._contestants]

    def placement(self, contestant: Model, image: DecodedImage) -> Placement:
        """Where the image lies in that network's input."""
        return contestant.preprocess.placement(image.pixels)


def _wants(model: Model) -> tuple[InputSpec, str]:
    """All that decides what becomes of an image: networks of which it is the same are fed from one buffer."""
    return model.card.input, model.network.input.element


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
