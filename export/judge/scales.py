"""Parts of one output that are of different scale, such as boxes in pixels beside their scores.

In one sum of squares the small would not be seen: a detector's scores could all be wrong, and nearly all the
variance of its output be kept. So each part is measured by itself.
"""

import numpy as np
from numpy.typing import NDArray

SCALES_APART = 10.0  # between standard deviations that are next to each other in size
ROUNDING = 1e-5  # of a part's largest value: what varies less is constant but for arithmetic
_MOST_SHOWN = 3  # runs of indices


def parts_axis(shape: tuple[int, ...]) -> int | None:
    """The axis along which an output is most likely to hold unlike things; None where it holds one value.

    It is the shortest: there are more boxes than numbers for each, and more pixels than channels.

    Args:
        shape: Of the output for one image.
    """
    axes = [axis for axis, length in enumerate(shape) if length > 1]
    return min(axes, key=lambda axis: shape[axis]) if axes else None


def parts_by_scale(
    deviations: NDArray[np.float64], lowest: NDArray[np.float64], highest: NDArray[np.float64]
) -> list[NDArray[np.intp]]:
    """Group the indices of an axis by the scale of what stands there.

    Values that never leave 0 to 1 are taken for scores. They share one scale, their common one: the scores of
    a class that no image shows hardly vary, and say as much as the others.

    Args:
        deviations: Standard deviation over the images, for each index.
        lowest: Least value over the images, for each index.
        highest: Greatest value over the images, for each index.

    Returns:
        The indices of each group in rising order; the group of the smallest scale first. A constant belongs
        to the group of the largest.
    """
    scales = deviations.copy()
    unit = (lowest >= 0) & (highest <= 1)
    if unit.any():
        scales[unit] = np.sqrt(np.mean(np.square(deviations[unit])))
    constant = scales <= ROUNDING * np.maximum(np.abs(lowest), np.abs(highest))
    scales[constant] = scales.max(initial=0.0)
    order = np.argsort(scales, kind="stable")
    ranked = scales[order]
    gaps = np.flatnonzero(ranked[1:] > SCALES_APART * ranked[:-1]) + 1
    return [np.sort(part) for part in np.split(order, gaps)]


def indices_in_words(indices: NDArray[np.intp]) -> str:
    """Indices for people, as in ``0 to 3, 7``.

    Args:
        indices: In rising order, at least one.
    """
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    words = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs[:_MOST_SHOWN]]
    return ", ".join(words) + (" and others" if len(runs) > _MOST_SHOWN else "")
