"""Comparing two networks' outputs image by image, each output by what it means. The worst counts.

Where the original's answers hardly differ from image to image, agreeing with them is no merit: then the
variance of the scores, or that of the raw outputs, counts too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard
from edge_runtime.model.image import Outputs, Placement
from edge_runtime.postprocess.classify import scores_index
from edge_runtime.postprocess.detections import Detections, make_detector
from export.judge.agreement import Agreement
from export.judge.boxes import BoxesTally
from export.judge.output_tallies import OutputTally, ScoresOutput, output_tally
from export.judge.variance import VarianceTally


@dataclass(frozen=True)
class Seen:
    """What a detector made of one image.

    Attributes:
        detections: What it would show.
        outputs: The raw outputs that it was read from.
    """

    detections: Detections
    outputs: Outputs


class Comparison(Protocol):
    """Compares two networks' outputs, image by image."""

    def add(self, original: Outputs, changed: Outputs) -> None:
        """Add both networks' outputs for one image.

        Raises:
            InputError: They cannot be compared.
        """
        ...

    def agreement(self) -> Agreement:
        """How far they agree on what was added, at least one image.

        Raises:
            InputError: Nothing in it can be compared.
        """
        ...


def comparison_for(card: ModelCard, names: Sequence[str]) -> Comparison:
    """What compares networks of a card's task.

    Args:
        card: Of the original.
        names: Of the outputs.

    Raises:
        InputError: The card's decoder is malformed.
    """
    if card.task == "detect":
        return DecodingComparison(card, names)
    return OutputComparison(card, names)


class DetectorComparison:
    """Compares what two detectors find, and their raw outputs where that is little."""

    def __init__(self, names: Sequence[str]) -> None:
        """Begin, with no image added yet.

        Args:
            names: Of the outputs.
        """
        self._boxes = BoxesTally()
        self._raw = [VarianceTally(name) for name in names]
        self._incomparable = ""

    def add(self, original: Seen, changed: Seen) -> None:
        """Add what both detectors made of one image."""
        self._boxes.add(original.detections, changed.detections)
        if self._incomparable:
            return
        if len(original.outputs) != len(changed.outputs):
            self._incomparable = "the numbers of outputs differ"
            return
        try:
            for tally, one, other in zip(self._raw, original.outputs, changed.outputs, strict=True):
                tally.add(one, other)
        except InputError as error:
            self._incomparable = str(error)

    def agreement(self) -> Agreement:
        """How far the detectors agree: by their detections alone where these are enough.

        Raises:
            InputError: There are none, and the raw outputs cannot be compared.
        """
        boxes, note = self._boxes.figure(), self._boxes.too_few()
        figures = [boxes] if boxes else []
        if note and not self._incomparable:
            figures += [figure for tally in self._raw for figure in tally.figures()]
        if not figures:
            raise InputError(
                f"the original finds nothing in {self._boxes.images} images, and "
                f"{self._incomparable or 'its outputs are the same for all of them'}; or give images that "
                "show what it detects"
            )
        if note and self._incomparable:
            note = self._boxes.too_few(raw=False)
        return Agreement(tuple(figures), (note,) if note else (), self._boxes.images, None, None)


class DecodingComparison:
    """Compares two detectors by their raw outputs, which it decodes itself."""

    def __init__(self, card: ModelCard, names: Sequence[str]) -> None:
        """Begin, with no image added yet.

        Args:
            card: Of the original.
            names: Of the outputs.

        Raises:
            InputError: The card's decoder is malformed.
        """
        self._detector = make_detector(card)
        self._size = card.input.size
        self._comparison = DetectorComparison(names)

    def add(self, original: Outputs, changed: Outputs) -> None:
        """Add both networks' outputs for one image."""
        self._comparison.add(self._seen(original), self._seen(changed))

    def agreement(self) -> Agreement:
        """How far the detectors agree, as ``DetectorComparison.agreement`` tells it."""
        return self._comparison.agreement()

    def _seen(self, outputs: Outputs) -> Seen:
        where = Placement(1.0, 1.0, 0, 0)  # boxes stay in pixels of the input
        return Seen(self._detector(outputs, where, self._size), outputs)


class OutputComparison:
    """Compares outputs one by one, each by what it means."""

    def __init__(self, card: ModelCard, names: Sequence[str]) -> None:
        """Begin, with no image added yet.

        Args:
            card: Of the original.
            names: Of the outputs.
        """
        self._card = card
        self._names = names
        self._tallies: list[OutputTally] = []
        self._images = 0

    def add(self, original: Outputs, changed: Outputs) -> None:
        """Add both networks' outputs for one image."""
        if not self._tallies:
            scores = scores_index(original, self._card) if self._card.task == "classify" else None
            self._tallies = [
                output_tally(self._card, name, values, scores=index == scores)
                for index, (name, values) in enumerate(zip(self._names, original, strict=True))
            ]
        for tally, one, other in zip(self._tallies, original, changed, strict=True):
            tally.add(one, other)
        self._images += 1

    def agreement(self) -> Agreement:
        """How far the networks agree: every output counts by itself, and the worst decides.

        Raises:
            InputError: The outputs are the same for all images.
        """
        figures = tuple(figure for tally in self._tallies for figure in tally.figures())
        if not figures:
            raise InputError(
                f"the original gives the same for all {self._images} images, so nothing can be compared: "
                "give images that differ; if they do, see whether its card scales them rightly"
            )
        scores = [tally.scores for tally in self._tallies if isinstance(tally, ScoresOutput)]
        return Agreement(
            figures=figures,
            notes=tuple(note for tally in self._tallies if (note := tally.note())),
            images=self._images,
            divergence=max((tally.divergence() for tally in scores), default=None),
            sureness_percent=max((tally.sureness_percent() for tally in scores), default=None),
        )
