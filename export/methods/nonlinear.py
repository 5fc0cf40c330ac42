"""The last step of every fit: match the response after its activation, where held-out images agree.

The method is in ``alternation``, which names its source.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from export.fit.alternation import FeatureSamples, alternate
from export.fit.data import LayerData
from export.fit.parallel import in_order, row_chunks
from export.fit.solvers import LowRank

FeatureMap = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def activation_aware(data: LayerData, features: FeatureMap, trial: LowRank) -> LowRank | None:
    """Fit for what comes out of the activation; None where that is not wanted, or no better.

    Args:
        data: The layer.
        features: Patches (n, c·kh·kw) to the features (n, q) that ``trial`` maps to responses.
        trial: A linear answer fitted on the images to fit on alone.
    """
    if data.pairs is None or data.nonlinearity is None:
        return None
    pairs = data.pairs
    fit = _samples(features, pairs.fit_x, pairs.fit_y)
    held_out = _samples(features, pairs.held_out_x, pairs.held_out_y)
    aware = alternate(fit, trial, data.nonlinearity)
    if held_out.error(aware, data.nonlinearity) < held_out.error(trial, data.nonlinearity):
        return aware
    return None


def _samples(features: FeatureMap, x: NDArray[np.float32], y: NDArray[np.float32]) -> FeatureSamples:
    # in chunks: all patches in double precision would take more memory than the rest of the fit
    pieces = in_order(lambda rows: features(x[rows].astype(np.float64)), row_chunks(len(x)))
    return FeatureSamples(np.concatenate(list(pieces)), y.astype(np.float64))
