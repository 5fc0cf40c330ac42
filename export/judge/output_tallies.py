"""What measures one output: scores, a map over classes, whole numbers, or anything else."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.card import ModelCard
from export.judge.class_maps import ClassMapTally
from export.judge.figure import Figure, counted
from export.judge.scores import ScoresTally
from export.judge.variance import VarianceTally


class OutputTally(Protocol):
    """Adds up, image by image, how far two networks agree on one output."""

    def add(self, original: NDArray[Any], changed: NDArray[Any]) -> None:
        """Add both networks' output for one image."""
        ...

    def figures(self) -> list[Figure]:
        """The figures of this output that count."""
        ...

    def note(self) -> str | None:
        """Why more figures count than one would expect; None where that is not so."""
        ...


def output_tally(card: ModelCard, name: str, values: NDArray[Any], *, scores: bool) -> OutputTally:
    """Choose what measures one output.

    Args:
        card: Of the original.
        name: Of the output.
        values: The output for one image.
        scores: Whether it is the one that holds a classifier's scores.
    """
    if not np.issubdtype(values.dtype, np.floating):
        return _WholeNumbers(name)
    if scores:
        return ScoresOutput(name)
    axis = _class_axis(values.shape, len(card.labels or {}))
    return _AnyOutput(name) if axis is None else _MapOutput(name, axis, values.shape[axis])


def _class_axis(shape: Sequence[int], classes: int) -> int | None:
    """Which axis of a map (N, C, H, W) or a sequence (N, T, C) is that of the card's classes, if any."""
    if classes < 2 or len(shape) < 3:
        return None
    return next((axis for axis in (1, len(shape) - 1) if shape[axis] == classes), None)


class ScoresOutput:
    """Scores of a classifier: decisions, and where these are one-sided, the scores' variance too."""

    def __init__(self, name: str) -> None:
        self.scores = ScoresTally(name)

    def add(self, original: NDArray[Any], changed: NDArray[Any]) -> None:
        """Add both networks' scores for one image."""
        self.scores.add(original, changed)

    def figures(self) -> list[Figure]:
        """The figures that count: that of the decisions and, where these are one-sided, of the scores."""
        decisions = self.scores.decisions()
        return [decisions, self.scores.margin()] if self.scores.one_sided() else [decisions]

    def note(self) -> str | None:
        """Why the scores count beside the decisions; None where they do not."""
        return self.scores.one_sided()


class _MapOutput:
    """A map or a sequence over classes."""

    def __init__(self, name: str, axis: int, classes: int) -> None:
        self._classes = ClassMapTally(name, axis, classes)
        self._values = VarianceTally(name)

    def add(self, original: NDArray[Any], changed: NDArray[Any]) -> None:
        self._values.add(original, changed)
        self._classes.add(original, changed)

    def figures(self) -> list[Figure]:
        same = self._classes.figure()
        return [same, *self._values.figures()] if self._classes.one_sided() else [same]

    def note(self) -> str | None:
        return self._classes.one_sided()


class _AnyOutput:
    """An output of no known meaning."""

    def __init__(self, name: str) -> None:
        self._values = VarianceTally(name)

    def add(self, original: NDArray[Any], changed: NDArray[Any]) -> None:
        self._values.add(original, changed)

    def figures(self) -> list[Figure]:
        return self._values.figures()

    def note(self) -> str | None:
        return None


class _WholeNumbers:
    """Whole numbers, such as the number of the best class: they are the same, or not."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._images = 0
        self._same = 0

    def add(self, original: NDArray[Any], changed: NDArray[Any]) -> None:
        self._images += 1
        self._same += bool(np.array_equal(original, changed))

    def figures(self) -> list[Figure]:
        basis = f"in {self._same} of {self._images} images"
        return [counted(self._name, "same numbers", self._same, self._images, basis)]

    def note(self) -> str | None:
        return None
