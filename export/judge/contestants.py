"""What every evaluation needs: networks that are fed alike, and which class each folder stands for."""

from collections import Counter
from collections.abc import Mapping, Sequence

from edge_runtime.base.errors import InputError
from edge_runtime.inference import Model
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.image import Placement, Tensor
from export.calibrate.images import DecodedImage, ImageFolder


class Feed:
    """Prepares each image once for all networks that want it alike."""

    def __init__(self, contestants: Sequence[Model]) -> None:
        self._contestants = contestants
        self._preprocessors = {model.card.input: model.preprocess for model in contestants}

    def __call__(self, image: DecodedImage) -> list[tuple[Model, Tensor]]:
        """Each network with its input, which the next call overwrites."""
        tensors: dict[InputSpec, Tensor] = {
            spec: preprocessor(image.pixels) for spec, preprocessor in self._preprocessors.items()
        }
        return [(contestant, tensors[contestant.card.input]) for contestant in self._contestants]

    def placement(self, contestant: Model, image: DecodedImage) -> Placement:
        """Where the image lies in that network's input."""
        return self._preprocessors[contestant.card.input].placement(image.pixels)


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
