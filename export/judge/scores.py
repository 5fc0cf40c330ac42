"""Agreement of scores: the class of the highest, or the yes or no of each where they are independent.

What an output means is seen from the original's values: within 0 and 1 and adding up to 1 they are
probabilities of classes; within 0 and 1 otherwise they are sigmoids, each a decision of its own; a single one
is a decision anyway; anything else is logits of classes.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from export.judge.figure import Figure, counted, too_few_of_the_rarer
from export.judge.variance import VarianceTally

Scores = NDArray[np.float64]

ROUNDING = 1e-3  # how far float16 or int8 arithmetic may push a probability beyond 0 or 1
FLOOR = 1e-6  # of a probability, so that its logarithm stays finite


class ScoresTally:
    """Adds up, image by image, on what two networks' scores agree."""

    def __init__(self, name: str) -> None:
        """Begin, with no image added yet.

        Args:
            name: Of the output.
        """
        self._name = name
        self._images = 0
        self._count = 0
        self._within_unit = True
        self._add_up = True
        self._same_class = 0
        self._same_signs = 0
        self._same_halves = 0
        self._classes: Counter[int] = Counter()
        self._signs: Counter[bytes] = Counter()
        self._halves: Counter[bytes] = Counter()
        self._divergences = {"logits": 0.0, "classes": 0.0, "sigmoids": 0.0, "one logit": 0.0}
        self._sureness = {"logits": 0.0, "classes": 0.0, "sigmoids": 0.0, "one logit": 0.0}
        self._values = VarianceTally(name)
        self._logits = VarianceTally(name)

    def add(self, original: NDArray[np.floating], changed: NDArray[np.floating]) -> None:
        """Add both networks' scores for one image, in any shape that holds one score for each class."""
        one, other = (scores.astype(np.float64).reshape(-1) for scores in (original, changed))
        self._images += 1
        self._count = len(one)
        self._values.add(one, other)
        self._logits.add(_logit(one), _logit(other))
        if not (np.isfinite(one).all() and np.isfinite(other).all()):
            return  # decided by nothing, so not the same, though argmax takes NaN for the highest twice
        self._within_unit &= bool(one.min() >= -ROUNDING and one.max() <= 1 + ROUNDING)
        self._add_up &= bool(abs(one.sum() - 1.0) <= ROUNDING * max(1.0, np.sqrt(len(one))))
        self._same_class += int(one.argmax() == other.argmax())
        self._classes[int(one.argmax())] += 1
        for threshold, counts in ((0.0, self._signs), (0.5, self._halves)):
            counts[np.packbits(one > threshold).tobytes()] += 1
        self._same_signs += bool(np.array_equal(one > 0, other > 0))
        self._same_halves += bool(np.array_equal(one > 0.5, other > 0.5))
        for kind, p, q in (
            ("logits", _softmax(one), _softmax(other)),
            ("classes", one, other),
        ):
            self._divergences[kind] += _divergence(p, q)
            self._sureness[kind] += float(p.max())
        for kind, p, q in (("sigmoids", one, other), ("one logit", _sigmoid(one), _sigmoid(other))):
            self._divergences[kind] += _divergence(p, q) + _divergence(1 - p, 1 - q)
            self._sureness[kind] += float(np.maximum(p, 1 - p).mean())

    @property
    def kind(self) -> str:
        """What the original's scores are: ``classes``, ``logits``, ``sigmoids`` or ``one logit``."""
        if self._count == 1:
            return "sigmoids" if self._within_unit else "one logit"
        if not self._within_unit:
            return "logits"
        return "classes" if self._add_up else "sigmoids"

    def decisions(self) -> Figure:
        """The figure of decisions: in how many images the class, or every yes and no, is the same."""
        if self.kind in ("classes", "logits"):
            same, measure = self._same_class, "same class"
        else:
            same = self._same_halves if self.kind == "sigmoids" else self._same_signs
            measure = "same decision" if self._count == 1 else "all decisions the same"
        basis = f"in {same} of {self._images} image{'s' * (self._images != 1)}"
        return counted(self._name, measure, same, self._images, basis)

    def margin(self) -> Figure | None:
        """The figure of the scores: the variance kept, of probabilities that of their logits.

        None where both networks give the same scores for all images.
        """
        scores = self._logits if self._within_unit else self._values
        return None if scores.says_nothing() else scores.figure()

    def commonest(self) -> int:
        """In how many images the original decides alike."""
        if self.kind in ("classes", "logits"):
            return max(self._classes.values(), default=0)
        return max((self._halves if self.kind == "sigmoids" else self._signs).values(), default=0)

    def one_sided(self) -> str | None:
        """Why the same decisions say little here; None where the original decides one way and another."""
        if not too_few_of_the_rarer(self._images - self.commonest(), self._images):
            return None
        alike = f"the original decides the same in {self.commonest()} of {self._images} images"
        if self.margin() is None:
            return f"{alike}, by scores that never vary, so nothing can be said of output {self._name!r}"
        return f"{alike}, so agreement on that says little, and the variance of its scores counts too"

    def divergence(self) -> float:
        """Mean Kullback-Leibler divergence of the changed network's probabilities, in nats."""
        return self._divergences[self.kind] / self._images

    def sureness_percent(self) -> float:
        """Mean highest probability that the original gives, in percent."""
        return 100.0 * self._sureness[self.kind] / self._images


def _divergence(p: Scores, q: Scores) -> float:
    p, q = np.clip(p, FLOOR, 1.0), np.clip(q, FLOOR, 1.0)
    return max(0.0, float((p * np.log(p / q)).sum()))


def _softmax(values: Scores) -> Scores:
    powers = np.exp(values - values.max())
    shares: Scores = powers / powers.sum()
    return shares


def _sigmoid(values: Scores) -> Scores:
    shares: Scores = np.exp(-np.logaddexp(0.0, -values))
    return shares


def _logit(values: Scores) -> Scores:
    clipped = np.clip(values, FLOOR, 1 - FLOOR)
    logits: Scores = np.log(clipped / (1 - clipped))
    return logits
