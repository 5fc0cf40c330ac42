"""How much of a layer's responses lies in few dimensions: the energy that its leading components hold."""

from dataclasses import dataclass

import numpy as np

from export.fit.data import LayerData
from export.methods.base import thin

SHOWN_RANKS = 24  # of many more, whose curve looks the same


@dataclass(frozen=True)
class Energy:
    """What a number of leading principal components holds of the responses.

    Attributes:
        rank: How many components.
        share: Of the variance of the response, 0 to 1.
    """

    rank: int
    share: float


def spectrum(data: LayerData) -> tuple[Energy, ...]:
    """The energy of a layer's responses over the rank, at 24 ranks at most, the last that of all.

    Args:
        data: Of the original network; of a grouped layer there is no spectrum of the whole.

    Returns:
        Rising in rank and share; empty for a constant response and for grouped layers.
    """
    if data.parts or data.fit.variance <= 0:
        return ()
    values = np.maximum(np.linalg.eigvalsh(data.fit.yy)[::-1], 0.0)
    kept = np.cumsum(values) / values.sum()
    return tuple(
        Energy(rank, float(kept[rank - 1])) for rank in thin([*range(1, len(kept) + 1)], SHOWN_RANKS)
    )
