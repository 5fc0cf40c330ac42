"""What a frame showed, and what reads it out of a network's outputs.

Each task has a result class of its own, with the figures that only it has; whoever shows results (outputs,
the terminal, accuracy) needs the methods of ``Result`` alone.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from edge_runtime.model.image import Outputs, Placement

#: Left, top, right, bottom in pixels of a frame.
Box = tuple[float, float, float, float]

INVALID_WORDS = "INVALID: the network's outputs are NaN or infinite"
NOTHING_WORDS = "nothing found"


@dataclass(frozen=True)
class Prediction:
    """One class that a network saw in a frame, and how sure it is of it.

    Attributes:
        index: The class, as the network counts them from 0.
        label: Its name in the model card.
        score: Probability, 0 to 1.
        box: Left, top, right, bottom in pixels of the frame; None where it is about the frame as a whole.
    """

    index: int
    label: str
    score: float
    box: Box | None = None

    def words(self) -> str:
        """The class and its score for people, as in ``cat 97.3 %``."""
        return f"{self.label} {100 * self.score:.1f} %"


class Result(Protocol):
    """What one frame showed: a frozen dataclass of its own for each task."""

    @property
    def valid(self) -> bool:
        """False where the network's outputs held NaN or infinity: the rest then means nothing."""
        ...

    def predictions(self, most: int | None = None) -> tuple[Prediction, ...]:
        """What was seen, best first; empty where nothing was, or where the task knows no classes.

        Args:
            most: Give at most so many; all of them if None.
        """
        ...

    def best(self) -> Prediction | None:
        """The prediction with the highest score; None where there is none."""
        ...

    def words(self) -> str:
        """The result in a few words, for people."""
        ...

    def to_document(self) -> dict[str, Any]:
        """The result as JSON can hold it, under documented, stable keys; ``valid`` is always among them."""
        ...


class Postprocessor(Protocol):
    """Turns the outputs for one frame into a result."""

    def __call__(self, outputs: Outputs, placement: Placement, image_shape: tuple[int, int]) -> Result:
        """Read one frame's outputs.

        Args:
            outputs: All outputs of the network, in its order, with a batch of one.
            placement: Where the frame lies in the network's input.
            image_shape: Height and width of the frame in pixels.

        Raises:
            InputError: The model card does not fit the outputs.
            ModelRefusedError: The outputs are not those of the card's decoder.
        """
        ...
