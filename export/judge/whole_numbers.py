"""Agreement of outputs of whole numbers: the number of a class for an image, or for each of its pixels."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from export.judge.class_maps import RARE_PERCENT
from export.judge.figure import Figure, counted, mean_reach, too_few_of_the_rarer


class WholeNumbersTally:
    """Adds up, image by image, at which places two networks give the same number."""

    def __init__(self, name: str) -> None:
        """Begin, with no image added yet.

        Args:
            name: Of the output.
        """
        self._name = name
        self._single = True
        self._originals: Counter[int] = Counter()
        self._changed: Counter[int] = Counter()
        self._common: Counter[int] = Counter()
        self._same: list[float] = []

    def add(self, original: NDArray[Any], changed: NDArray[Any]) -> None:
        """Add both networks' output for one image.

        Raises:
            InputError: The two differ in shape.
        """
        if original.shape != changed.shape:
            raise InputError(f"output {self._name!r} has another length in the two networks")
        self._single &= original.size == 1
        same = original == changed
        for counts, values in (
            (self._originals, original),
            (self._changed, changed),
            (self._common, original[same]),
        ):
            numbers, often = np.unique(values, return_counts=True)
            counts.update(dict(zip(numbers.tolist(), often.tolist(), strict=True)))
        self._same.append(float(same.mean()) if same.size else 1.0)

    def figures(self) -> list[Figure]:
        """The figure of equal numbers and, where the original gives one nearly everywhere, of the others.

        None at all where neither network ever gives another: that they are equal says nothing.
        """
        if not self._one_sided():
            return [self._of_all()]
        rarer = (self._originals.total() - self._often, self._changed.total() - self._changed[self._usual])
        if not any(rarer):
            return []
        common = self._common.total() - self._common[self._usual]
        basis = f"where either network gives another number than {self._usual}"
        # Of places in one image much is alike: no more cases than images.
        cases = min(sum(rarer) / 2, len(self._same))
        found = counted(self._name, "same numbers", 2 * common / sum(rarer) * cases, cases, basis)
        return [self._of_all(), found]

    def note(self) -> str | None:
        """Why further figures count, or none; None where the same numbers say enough."""
        if not self._one_sided():
            return None
        all_places, unit = self._originals.total(), "images" if self._single else "places"
        little = f"output {self._name!r} is {self._usual} at {self._often} of {all_places} {unit}"
        if self.figures():
            return (
                f"{little}, so agreement on that says little, and the other numbers count by themselves too"
            )
        return f"{little}, so nothing can be said of it"

    def _of_all(self) -> Figure:
        images, same = len(self._same), 100.0 * float(np.mean(self._same))
        if self._single:
            equal = round(sum(self._same))
            basis = f"in {equal} of {images} image{'s' * (images != 1)}"
            return counted(self._name, "same numbers", equal, images, basis)
        reach = mean_reach(self._same) * 100.0
        low, high = max(0.0, same - reach), min(100.0, same + reach)
        return Figure(
            self._name, "same numbers", same, low, high, images, f"at the places of {images} images"
        )

    @property
    def _usual(self) -> int:
        """The number that the original gives most often."""
        return min(self._originals, key=lambda number: (-self._originals[number], number), default=0)

    @property
    def _often(self) -> int:
        return self._originals[self._usual]

    def _one_sided(self) -> bool:
        total = self._originals.total()
        if self._single:
            return too_few_of_the_rarer(total - self._often, total)
        return 100.0 * (total - self._often) < RARE_PERCENT * total
