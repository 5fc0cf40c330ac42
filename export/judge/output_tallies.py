"""What measures one output: scores, a map over classes, whole numbers, or anything else."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.card import ModelCard
from export.judge.class_maps import ClassMapTally
from export.judge.figure import Figure
from export.judge.scores import ScoresTally
from export.judge.variance import VarianceTally
from export.judge.whole_numbers import WholeNumbersTally


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
        return WholeNumbersTally(name)
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
        """The figures that count: that of the decisions and, where these are one-sided, of the scores.

        None at all where the scores never vary: then the same decisions say nothing.
        """
        decisions = self.scores.decisions()
        if not self.scores.one_sided():
            return [decisions]
        margin = self.scores.margin()
        return [decisions, margin] if margin else []

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
        if not self._classes.one_sided():
            return [same]
        values = self._values.figures()
        return [same, *values] if values else []

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
        return self._values.note()
