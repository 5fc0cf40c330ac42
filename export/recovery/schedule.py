"""The rate at which a training learns, from its first step to its last."""

import math
from dataclasses import dataclass

EPOCHS, MOST_EPOCHS = 30, 200
SHOWN = 6000  # images, each as often as it is shown
WARM_UP = 0.05  # of the whole training
FULL_RATE_STEPS = 150  # fewer go at a lower rate: a few dozen at the full one end behind where they began


@dataclass(frozen=True)
class Length:
    """How long to train; one of both is given.

    Attributes:
        epochs: Passes over the images.
        minutes: Or so many minutes: how many passes they are shows on the way.
    """

    epochs: int | None = None
    minutes: float | None = None

    def share(self, epochs: float, seconds: float) -> float:
        """How much of the training is behind: 1 or more at its end.

        Args:
            epochs: Done so far.
            seconds: Taken so far.
        """
        if self.minutes is not None:
            return seconds / (60 * self.minutes)
        return epochs / (self.epochs or 1)


def usual_length(images: int) -> Length:
    """How long to train unless told otherwise.

    Args:
        images: To train on; few are shown more often.
    """
    return Length(epochs=max(EPOCHS, min(MOST_EPOCHS, SHOWN // images)))


def rate(share: float, steps: float) -> float:
    """The rate at a moment, as a share of the full rate: it rises fast, and falls along a cosine.

    Args:
        share: How much of the training is behind, 0 to 1.
        steps: Taken so far, of which the length of the whole follows.
    """
    expected = steps / share if share > 0 else 0.0
    peak = min(1.0, math.sqrt(expected / FULL_RATE_STEPS))
    if share < WARM_UP:
        return peak * share / WARM_UP
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARM_UP) / (1 - WARM_UP))))
