"""What of a network's results somebody wants to see: a least score, and some of the classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard
from edge_runtime.postprocess.boxes import Floats, Indices
from edge_runtime.settings.option import closest


@dataclass(frozen=True)
class Wanted:
    """Which results are given; all of them where both are None.

    Attributes:
        score: The least score, 0 to 1, in place of the card's threshold.
        classes: The classes, as the network counts them from 0.
    """

    score: float | None = None
    classes: frozenset[int] | None = None

    def keeps(self, classes: Indices, scores: Floats) -> NDArray[np.bool_]:
        """Which results are given.

        Args:
            classes: (N,) class indices.
            scores: (N,) scores.

        Returns:
            (N,) booleans.
        """
        kept = np.ones(len(classes), bool)
        if self.score is not None:
            kept &= scores >= self.score
        if self.classes is not None:
            kept &= np.isin(classes, list(self.classes))
        return kept


EVERYTHING = Wanted()


def wanted_results(card: ModelCard, score: float | None, classes: Sequence[str] | None) -> Wanted:
    """What is wanted, once it is known that it fits the card.

    Args:
        card: Names the classes, and tells the task.
        score: The least score, 0 to 1.
        classes: Names from the card, or numbers.

    Raises:
        InputError: The outputs are not decoded, so that nothing can be chosen; the score is no probability;
            or there is no such class.
    """
    if score is None and classes is None:
        return EVERYTHING
    if card.task == "raw":
        raise InputError(
            "score and classes choose among what a network sees, but the model card's task is 'raw': "
            "its outputs are handed on as they are"
        )
    if score is not None and not 0 <= score <= 1:
        raise InputError(f"score must be from 0 to 1, not {score:g}")
    if classes is None:
        return Wanted(score)
    return Wanted(score, frozenset(index for name in classes for index in _indices(card, name.strip())))


def _indices(card: ModelCard, name: str) -> list[int]:
    """The classes of that name, or the one of that number."""
    labels = card.labels or {}
    named = [index for index, label in labels.items() if label == name]
    if named:
        return named
    number = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else None
    if number is not None and (number in labels or not _complete(labels)):
        return [number]  # whether the network has it shows at its first outputs
    raise InputError(f"no class {name!r:.60} in the model card; {_hint(name, labels)}")


def _complete(labels: Mapping[int, str]) -> bool:
    """Whether every class up to the last one named has a name."""
    return bool(labels) and len(labels) == max(labels) + 1


def _hint(name: str, labels: Mapping[int, str]) -> str:
    if not labels:
        return "it names none: give numbers, such as 0,2"
    close = closest(name, labels.values())
    few = ", ".join(repr(labels[index]) for index in sorted(labels)[:3])
    return f"did you mean {close!r}?" if close else f"it names {len(labels)}, such as {few}"
