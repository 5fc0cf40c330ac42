"""How much of an output's variance over the images a changed network keeps: the measure for any output."""

import math

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from export.judge.figure import Figure, mean_reach

Values = NDArray[np.floating]


class VarianceTally:
    """Adds up, image by image, what an output varies by and what a changed one misses."""

    def __init__(self, name: str) -> None:
        """Begin, with no image added yet.

        Args:
            name: Of the output.
        """
        self._name = name
        self._mean: NDArray[np.float64] | None = None
        self._spread = 0.0
        self._within = 0.0
        self._missed: list[float] = []

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
        if self._mean is None:
            self._mean = np.zeros_like(own)
        self._missed.append(float(np.square(own - changed).sum()))
        self._within += float(np.square(own - own.mean()).sum()) if own.size else 0.0
        step = own - self._mean  # Welford's update
        self._mean = self._mean + step / len(self._missed)
        self._spread += float((step * (own - self._mean)).sum())

    def figure(self) -> Figure:
        """The figure of variance kept; 0 where more is missed than the output varies by.

        An output that is the same for all images is kept where nothing is missed, and else not. Of a single
        image nothing varies from image to image, so what varies within it counts.
        """
        count = len(self._missed)
        spread = self._spread if count > 1 else self._within
        kept, reach = self._share(spread)
        basis = f"of {count} image{'s' * (count != 1)}"
        return Figure(
            self._name,
            "variance kept",
            100.0 * max(0.0, kept),
            100.0 * max(0.0, kept - reach),
            100.0 * min(1.0, max(0.0, kept + reach)),
            count,
            basis,
        )

    def missed(self) -> float:
        """Squared error over what the output varies by; infinite where it does not vary and is not kept."""
        spread = self._spread if len(self._missed) > 1 else self._within
        missed = sum(self._missed)
        return missed / spread if spread > 0 else math.inf if missed else 0.0

    def _share(self, spread: float) -> tuple[float, float]:
        missed = sum(self._missed)
        if spread <= 0:
            return float(missed == 0), 0.0 if len(self._missed) > 1 else 1.0
        # What is missed differs from image to image far more than the spread is uncertain.
        return 1.0 - missed / spread, len(self._missed) * mean_reach(self._missed) / spread
