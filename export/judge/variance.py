"""How much of an output's variance over the images a changed network keeps: the measure for any output."""

import math

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from export.judge.figure import Figure, mean_reach
from export.judge.scales import indices_in_words, parts_axis, parts_by_scale

Values = NDArray[np.floating]
Sums = NDArray[np.float64]


class VarianceTally:
    """Adds up, image by image, what an output varies by and what a changed one misses."""

    def __init__(self, name: str) -> None:
        """Begin, with no image added yet.

        Args:
            name: Of the output.
        """
        self._name = name
        self._axis: int | None = None
        self._mean: Sums | None = None
        self._lowest: Sums = np.empty(0)
        self._highest: Sums = np.empty(0)
        self._spread: Sums = np.empty(0)  # this, and what is missed, for each index along the axis
        self._within = 0.0
        self._missed: list[Sums] = []

    def add(self, original: Values, changed: Values) -> None:
        """Add both networks' output for one image.

        Raises:
            InputError: It has another shape than before, or the two differ in shape.
        """
        own = original.astype(np.float64)
        if original.shape != changed.shape or (self._mean is not None and self._mean.shape != own.shape):
            raise InputError(
                f"output {self._name!r} has another length on another image, so it cannot be compared; "
                "give a card with a decoder for it"
            )
        with np.errstate(invalid="ignore"):  # what is infinite or no number is missed altogether
            self._add(own, changed)

    def _add(self, own: Sums, changed: Values) -> None:
        if self._mean is None:
            self._axis = parts_axis(own.shape)
            self._mean, self._lowest, self._highest = np.zeros_like(own), own, own
            self._spread = np.zeros_like(self._along_axis(own).sum(axis=1))
        self._missed.append(self._along_axis(np.square(own - changed)).sum(axis=1))
        self._within += float(np.square(own - own.mean()).sum()) if own.size else 0.0
        step = own - self._mean  # Welford's update
        self._mean = self._mean + step / len(self._missed)
        self._spread += self._along_axis(step * (own - self._mean)).sum(axis=1)
        self._lowest, self._highest = np.minimum(self._lowest, own), np.maximum(self._highest, own)

    def figures(self) -> list[Figure]:
        """The figure of each part that is of a scale of its own; of the whole output where all is alike.

        None at all where both networks give the same for all images.
        """
        if self.says_nothing():
            return []
        parts = self._parts()
        return [self._figure(part) for part in parts] if len(parts) > 1 else [self.figure()]

    def says_nothing(self) -> bool:
        """Whether the output is one and the same for all images, in both networks."""
        spread = float(self._spread.sum()) if len(self._missed) > 1 else self._within
        return spread == 0 and not any(missed.any() for missed in self._missed)

    def note(self) -> str | None:
        """Why nothing can be said; None where something can."""
        if not self.says_nothing():
            return None
        return f"output {self._name!r} is the same for all images, so nothing can be said of it"

    def figure(self) -> Figure:
        """The figure of variance kept; 0 where more is missed than the output varies by.

        An output that is the same for all images is kept where nothing is missed, and else not. Of a single
        image nothing varies from image to image, so what varies within it counts.
        """
        return self._figure(None)

    def _figure(self, part: NDArray[np.intp] | None) -> Figure:
        """The figure of some of the indices along the axis, or of all."""
        count = len(self._missed)
        chosen = slice(None) if part is None else part
        spread = float(self._spread[chosen].sum()) if count > 1 else self._within
        kept, reach = _share([float(missed[chosen].sum()) for missed in self._missed], spread)
        where = "" if part is None else f", at {indices_in_words(part)} of axis {self._axis}"
        return Figure(
            self._name,
            "variance kept",
            100.0 * max(0.0, kept),
            100.0 * max(0.0, kept - reach),
            100.0 * min(1.0, max(0.0, kept + reach)),
            count,
            f"of {count} image{'s' * (count != 1)}{where}",
        )

    def missed(self) -> float:
        """Squared error over what the output varies by; infinite where it does not vary and is not kept."""
        spread = float(self._spread.sum()) if len(self._missed) > 1 else self._within
        missed = float(sum(each.sum() for each in self._missed))
        return missed / spread if spread > 0 else math.inf if missed else 0.0

    def _parts(self) -> list[NDArray[np.intp]]:
        """Indices along the axis, by scale; of a single image no scale is known."""
        if self._axis is None or len(self._missed) < 2 or not self._lowest.size:
            return []
        elements = self._lowest.size / len(self._spread)
        deviations = np.sqrt(self._spread / (elements * (len(self._missed) - 1)))
        lowest, highest = self._along_axis(self._lowest), self._along_axis(self._highest)
        return parts_by_scale(deviations, lowest.min(axis=1), highest.max(axis=1))

    def _along_axis(self, values: Sums) -> Sums:
        """Values as a matrix with a row for each index along the axis."""
        if self._axis is None:
            return values.reshape(1, -1)
        return np.moveaxis(values, self._axis, 0).reshape(values.shape[self._axis], -1)


def _share(missed: list[float], spread: float) -> tuple[float, float]:
    """The share of the spread that is kept, and how far that may be from the truth."""
    if spread <= 0:
        return float(sum(missed) == 0), 0.0 if len(missed) > 1 else 1.0
    # What is missed differs from image to image far more than the spread is uncertain.
    return 1.0 - sum(missed) / spread, len(missed) * mean_reach(missed) / spread
