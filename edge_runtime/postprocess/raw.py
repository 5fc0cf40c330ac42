"""Outputs as they are, for networks whose task is none that we decode."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.image import Outputs, Placement
from edge_runtime.postprocess.base import INVALID_WORDS, Prediction

MOST_VALUES = 1000


@dataclass(frozen=True)
class RawOutputs:
    """A network's outputs for one frame.

    Attributes:
        arrays: One array per output, in the network's order.
        valid: False where any holds NaN or infinity.
    """

    arrays: tuple[NDArray[np.float32], ...]
    valid: bool

    def predictions(self, most: int | None = None) -> tuple[Prediction, ...]:
        """Nothing: what the values mean is not known."""
        del most
        return ()

    def best(self) -> Prediction | None:
        """None, always: what the values mean is not known."""
        return None

    def words(self) -> str:
        """The shapes of the outputs, for people."""
        if not self.valid:
            return INVALID_WORDS
        return ", ".join(f"output {list(array.shape)}" for array in self.arrays)

    def to_document(self) -> dict[str, Any]:
        """``valid``, and ``outputs``: for each ``shape``, ``min``, ``max``, ``mean`` and ``values``.

        An output of more than 1000 values leaves those out; one that holds NaN or infinity, which JSON
        cannot say, gives its shape only.
        """
        return {"valid": self.valid, "outputs": [_summary(array) for array in self.arrays]}


class Raw:
    """Postprocessor of networks whose outputs are not decoded: hands them on as they are."""

    def __call__(self, outputs: Outputs, placement: Placement, image_shape: tuple[int, int]) -> RawOutputs:
        """The outputs of one frame; where it lay in the input is not used, for nothing is mapped back."""
        del placement, image_shape
        return RawOutputs(tuple(outputs), all(bool(np.isfinite(array).all()) for array in outputs))


def _summary(array: NDArray[np.float32]) -> dict[str, Any]:
    summary: dict[str, Any] = {"shape": list(array.shape)}
    if array.size and np.isfinite(array).all():
        summary |= {"min": float(array.min()), "max": float(array.max()), "mean": float(array.mean())}
        if array.size <= MOST_VALUES:
            summary["values"] = array.reshape(-1).tolist()
    return summary
