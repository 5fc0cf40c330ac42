"""Where to end the range of a tensor in int8: the values beyond are cut off so that the others lie finer."""

from collections.abc import Callable

import numpy as np

from export.precision.activation_ranges import ActivationRange

LEVELS = 255
SHARES = np.linspace(0.2, 1.0, 41)

Ends = tuple[float, float]


def whole_range(tensor: ActivationRange) -> Ends:
    """From the least to the largest value that was seen."""
    return tensor.lowest, tensor.highest


def least_error(tensor: ActivationRange) -> Ends:
    """The share of the whole range in which int8 makes the least squared error on what was seen.

    What lies beyond is cut off, what lies within is rounded to one of 256 levels. Both ends move by the same
    share: zero stays one of the levels.
    """
    errors = [_squared_error(tensor, share) for share in SHARES]
    share = float(SHARES[int(np.argmin(errors))])
    return tensor.lowest * share, tensor.highest * share


def _squared_error(tensor: ActivationRange, share: float) -> float:
    low, high = min(tensor.lowest * share, 0.0), max(tensor.highest * share, 0.0)
    step = (high - low) / LEVELS
    zero = np.round(-low / step)
    levels = np.clip(np.round(tensor.centres / step) + zero, 0, LEVELS)
    return float(tensor.counts @ np.square(tensor.centres - (levels - zero) * step))


#: The rules by their names, the plainest first.
RULES: dict[str, Callable[[ActivationRange], Ends]] = {
    "whole range": whole_range,
    "least error": least_error,
}
