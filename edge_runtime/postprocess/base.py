"""What turns a network's outputs into a result looks like this to the pipeline."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.preprocess import Placement


class Result(Protocol):
    """What one frame showed: a frozen dataclass of its own for each task."""

    @property
    def valid(self) -> bool:
        """False where the network's outputs held NaN or infinity: the rest then means nothing."""
        ...

    def to_json(self) -> dict[str, Any]:
        """The result as documented, stable keys; always with ``valid``."""
        ...


class Postprocessor(Protocol):
    """Turns the outputs for one frame into a result."""

    def __call__(
        self, outputs: list[NDArray[np.float32]], placement: Placement, image_shape: tuple[int, int]
    ) -> Result:
        """Read one frame's outputs.

        Args:
            outputs: All outputs of the network, in its order, with a batch of one.
            placement: Where the frame lies in the network's input.
            image_shape: Height and width of the frame in pixels.
        """
        ...
