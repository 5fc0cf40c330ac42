"""Agreement of maps over classes, and of sequences over classes: of the class at each place."""

import numpy as np
from numpy.typing import NDArray

from export.judge.figure import Figure, mean_reach

RARE_PERCENT = 1.0  # places of other classes than the commonest, for the same class to say something


class ClassMapTally:
    """Adds up, image by image, at which places the highest class is the same."""

    def __init__(self, name: str, axis: int, classes: int) -> None:
        """Begin, with no image added yet.

        Args:
            name: Of the output.
            axis: Of the classes.
            classes: Their number.
        """
        self._name = name
        self._axis = axis
        self._places = np.zeros(classes, np.int64)
        self._same: list[float] = []

    def add(self, original: NDArray[np.floating], changed: NDArray[np.floating]) -> None:
        """Add both networks' output for one image."""
        one, other = (values.argmax(axis=self._axis) for values in (original, changed))
        self._places += np.bincount(one.reshape(-1), minlength=len(self._places))
        known = np.isfinite(original).all(axis=self._axis) & np.isfinite(changed).all(axis=self._axis)
        self._same.append(100.0 * float(((one == other) & known).mean()))

    def figure(self) -> Figure:
        """The figure of places of the same class; those of one image are alike: its interval is of images."""
        percent, reach = float(np.mean(self._same)), mean_reach(self._same)
        low, high = max(0.0, percent - reach), min(100.0, percent + reach)
        basis = f"at the places of {len(self._same)} images"
        return Figure(self._name, "same class", percent, low, high, len(self._same), basis)

    def one_sided(self) -> str | None:
        """Why the same classes say little here; None where the original gives several."""
        rare = 100.0 * (1.0 - self._places.max() / self._places.sum())
        if rare >= RARE_PERCENT:
            return None
        return (
            f"the original gives one class to all but {rare:.2f} % of the places, so agreement on that says "
            "little, and the variance of its scores counts too"
        )
