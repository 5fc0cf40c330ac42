"""Class scores to the best few labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard
from edge_runtime.model.image import Outputs, Placement
from edge_runtime.postprocess.base import INVALID_WORDS, NOTHING_WORDS, Prediction
from edge_runtime.postprocess.class_check import ClassCheck
from edge_runtime.postprocess.wanted import EVERYTHING, Wanted

TOP = 5
ROUNDING = 1e-3  # how far float16 or int8 arithmetic may push a probability beyond 0 or 1


@dataclass(frozen=True)
class Classification:
    """What a classifier says about one frame.

    Attributes:
        labels: The most probable classes, best first; empty where not valid, or where none was wanted.
        valid: False where the outputs held NaN or infinity.
    """

    labels: tuple[Prediction, ...]
    valid: bool = True

    def predictions(self, most: int | None = None) -> tuple[Prediction, ...]:
        """The most probable classes, best first, at most so many."""
        return self.labels[:most]

    def best(self) -> Prediction | None:
        """The most probable class; None where there is none to give."""
        return self.labels[0] if self.labels else None

    def words(self) -> str:
        """The most probable class and its score."""
        best = self.best()
        return best.words() if best else NOTHING_WORDS if self.valid else INVALID_WORDS

    def to_document(self) -> dict[str, Any]:
        """``valid``, and ``labels`` with ``label``, ``class`` and ``score``, best first."""
        labels = [
            {"label": label.label, "class": label.index, "score": round(label.score, 4)}
            for label in self.labels
        ]
        return {"valid": self.valid, "labels": labels}


class Classifier:
    """Turns a classifier's scores into its best labels.

    A single score, where the card names two classes, is that of the second: yes or no.

    A network may end in probabilities or in logits, and its file does not say which. Probabilities never
    leave 0 to 1, and a trained network's logits do so on about every frame: so outputs are taken as they are
    until a value outside that range is seen, and from then on softmax is applied to every frame. (A second
    softmax, over probabilities, would keep the order but flatten the scores.)
    """

    def __init__(self, card: ModelCard, *, top: int = TOP, wanted: Wanted = EVERYTHING) -> None:
        """Prepare to read outputs.

        Args:
            card: Names the classes.
            top: How many labels to give, at most.
            wanted: Which labels to give.
        """
        self._card = card
        self._top = top
        self._wanted = wanted
        self._require_labels_fit = ClassCheck(card, wanted)
        self._logits = False

    def __call__(
        self, outputs: Outputs, placement: Placement, image_shape: tuple[int, int]
    ) -> Classification:
        """The best labels of one frame.

        Args:
            outputs: The network's outputs; only that with the scores is read: see ``scores_index``.
            placement: Not used: a label has no place in the frame.
            image_shape: Not used either.

        Raises:
            InputError: The card names a class that the network does not have, or there are no scores.
        """
        del placement, image_shape
        scores = outputs[scores_index(outputs, self._card)].reshape(-1)
        if scores.size == 1 and np.issubdtype(scores.dtype, np.integer):
            raise InputError(
                "the network gives the number of a class and no scores: let its card say task 'raw', which "
                "hands numbers on, or export it with its scores"
            )
        yes_or_no = is_yes_or_no(scores.size, self._card)
        self._require_labels_fit(2 if yes_or_no else scores.size)
        if not np.isfinite(scores).all():
            return Classification((), valid=False)
        probabilities = self._probabilities(scores)
        if yes_or_no:
            probabilities = np.concatenate([1 - probabilities, probabilities])
        return Classification(tuple(self._label(probabilities, index) for index in self._best(probabilities)))

    def _probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        self._logits = self._logits or scores.min() < -ROUNDING or scores.max() > 1 + ROUNDING
        return softmax(scores) if self._logits else scores

    def _best(self, probabilities: NDArray[np.float32]) -> list[int]:
        """Indices of the highest, best first; of equal ones the lower index first."""
        ranked = np.argsort(-probabilities, kind="stable")
        ranked = ranked[self._wanted.keeps(ranked, probabilities[ranked])]
        return [int(index) for index in ranked[: self._top]]

    def _label(self, probabilities: NDArray[np.float32], index: int) -> Prediction:
        return Prediction(index, self._card.label(index), float(probabilities[index]))


def scores_index(outputs: Outputs, card: ModelCard) -> int:
    """Which output holds a classifier's scores.

    Some networks give the number of the best class first, or features beside the scores. The scores are the
    first output of real numbers that has one for each class of the card; else the first of real numbers.

    Args:
        outputs: The network's outputs for one frame.
        card: Names the classes.
    """
    classes = len(card.labels or ())
    real = [index for index, values in enumerate(outputs) if np.issubdtype(values.dtype, np.floating)]
    return next((index for index in real if outputs[index].size == classes), real[0] if real else 0)


def is_yes_or_no(scores: int, card: ModelCard) -> bool:
    """Whether a single score decides between the two classes that the card names."""
    return scores == 1 and set(card.labels or ()) == {0, 1}


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits to probabilities along the only axis; a single logit to its sigmoid.

    Args:
        logits: (N,) finite values.
    """
    wide = logits.astype(np.float64)  # differences of float32 extremes overflow
    if wide.size == 1:
        return np.asarray(np.exp(-np.logaddexp(0, -wide)), np.float32)
    powers = np.exp(wide - wide.max())
    return np.asarray(powers / powers.sum(), np.float32)
