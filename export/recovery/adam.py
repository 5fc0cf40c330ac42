"""Adam, whose steps are shares of what they change.

A step of Adam [Kingma and Ba 2014, arXiv 1412.6980] is as long as the rate, whatever the weight. Here the
rate is a share of the root mean square that a filter began with, so that one rate suits networks of large
weights and of small ones. Where batch norm was folded, filters of one layer differ tenfold: with one step for
all of them, yolov5n's small ones were lost at once.

(torch's own loads its compiler at the first step: seconds, and a folder that it leaves behind.)
"""

from collections.abc import Mapping

import torch
from torch import Tensor

KEPT, KEPT_SQUARES = 0.9, 0.999  # of the running means of gradients and of their squares
LEAST_SIZE = 1e-3  # of a bias of zeros, say
FLOOR = 1e-12  # of the root of the mean square: gradients here are small, being of errors over variances


class Adam:
    """Changes weights by their gradients."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Begin.

        Args:
            weights: What to change, ready for gradients.
        """
        self._weights = list(weights.values())
        self._sizes = [_sizes(weight.detach()) for weight in self._weights]
        self._means = [torch.zeros_like(weight) for weight in self._weights]
        self._squares = [torch.zeros_like(weight) for weight in self._weights]
        self._steps = 0

    def forget_gradients(self) -> None:
        """Make ready for the gradients of the next batch."""
        for weight in self._weights:
            weight.grad = None

    def step(self, rate: float) -> None:
        """Change the weights.

        Args:
            rate: Length of the step, as a share of a filter's size.
        """
        self._steps += 1
        # Both means begin at zero: by so much they are too small yet.
        share, squares_share = 1 - KEPT**self._steps, 1 - KEPT_SQUARES**self._steps
        with torch.no_grad():
            for weight, size, mean, square in zip(
                self._weights, self._sizes, self._means, self._squares, strict=True
            ):
                if weight.grad is None:
                    continue  # nothing that is compared depends on it
                mean.lerp_(weight.grad, 1 - KEPT)
                square.mul_(KEPT_SQUARES).addcmul_(weight.grad, weight.grad, value=1 - KEPT_SQUARES)
                root = (square / squares_share).sqrt_().add_(FLOOR)
                weight.addcdiv_(mean * size, root, value=-rate / share)


def _sizes(weight: Tensor) -> Tensor:
    """The root mean square of each filter of a convolution, or of all of another tensor."""
    filters = tuple(range(1, weight.ndim)) if weight.ndim > 2 else tuple(range(weight.ndim))
    return weight.square().mean(filters, keepdim=True).sqrt().clamp(min=LEAST_SIZE)
