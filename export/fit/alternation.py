"""The nonlinear fit [Z15, "The nonlinear case"]: match what comes out of the activation, not what goes in.

[Z15] Zhang, Zou, He, Sun, Accelerating Very Deep Convolutional Networks, arXiv 1505.06798.

Minimises ``E‖r(y) - r(M f + β)‖²`` over maps M of bounded rank, f a layer's features, by the paper's
relaxation ``E‖r(y) - r(z)‖² + λ E‖z - (M f + β)‖²``. Two steps alternate:

(a) z for M and β fixed, elementwise: see ``nonlinearity``;
(b) M and β for z fixed, by reduced-rank regression from f to z.

λ rises in the course, which ties z to ``M f + β`` in the end. Only the moments of z with f change between
steps, so those of f are factored once.
"""

from dataclasses import dataclass

import numpy as np

from export.fit.moments import Matrix
from export.fit.nonlinearity import Array, Nonlinearity
from export.fit.regression import with_ridge
from export.fit.solvers import RIDGE, LowRank, eigenvectors

BLOCK_ROWS = 32  # of some hundred columns: what one step touches stays in the cache
SCHEDULE = (0.01,) * 25 + (1.0,) * 25  # of λ, as in the paper


@dataclass(frozen=True)
class FeatureSamples:
    """Samples of a layer's features and of the response wanted for them.

    Attributes:
        features: (n, q) float64.
        responses: (n, d) float64.
    """

    features: Array
    responses: Array

    def error(self, answer: LowRank, nonlinearity: Nonlinearity) -> float:
        """Mean squared error of an answer after the activation: ``‖r(y) - r(M f + β)‖²``."""
        wanted = nonlinearity(self.responses)
        return _step(self.responses, wanted, predict(answer, self.features), nonlinearity, None)


def alternate(samples: FeatureSamples, start: LowRank, nonlinearity: Nonlinearity) -> LowRank:
    """Improve a linear answer for what the activation lets through.

    Args:
        samples: What to fit on.
        start: The linear answer to start from; its rank is kept.
        nonlinearity: r.

    Returns:
        The best answer met on the way by its error on ``samples``: never worse there than ``start``.
    """
    regression = _Regression.of(samples.features)
    # the elementwise step is twice as fast in single precision
    responses = samples.responses.astype(np.float32)
    wanted = nonlinearity(responses)
    answer = best = start
    least = np.inf
    for penalty in (*SCHEDULE, None):  # None: only judges the last answer
        z = predict(answer, samples.features)
        error = _step(responses, wanted, z, nonlinearity, penalty)
        if error < least:
            best, least = answer, error
        if penalty is not None:
            answer = regression.solve(z, len(start.inner))
    return best


def predict(answer: LowRank, features: Array) -> Array:
    """The responses (n, d) that an answer gives to features (n, q): ``M f + β``."""
    values: Array = (features @ answer.inner.T - answer.centre) @ answer.outer.T
    values += answer.mean_y
    return values


def _step(
    responses: Array, wanted: Array, guess: Array, nonlinearity: Nonlinearity, penalty: float | None
) -> float:
    """Error of ``guess`` (n, d), which is then replaced by the z closest to it, in blocks for the cache."""
    total = 0.0
    for first in range(0, len(guess), BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        z = guess[rows].astype(responses.dtype)
        difference = nonlinearity(z) - wanted[rows]
        total += float(np.einsum("nd,nd->", difference, difference, dtype=np.float64))
        if penalty is not None:
            guess[rows] = nonlinearity.closest(responses[rows], wanted[rows], z, penalty)
    return total / len(guess)


@dataclass(frozen=True)
class _Regression:
    """Reduced-rank regression on fixed features, factored once."""

    mean: Array
    root: Matrix
    whitened: Matrix

    @classmethod
    def of(cls, features: Array) -> "_Regression":
        mean = features.mean(axis=0)
        centred = features - mean
        covariance = centred.T @ centred
        root = np.asarray(np.linalg.cholesky(with_ridge(covariance, RIDGE)), np.float64)
        return cls(mean, root, np.linalg.solve(root, centred.T))

    def solve(self, z: Array, rank: int) -> LowRank:
        """The regression of z (n, d): in whitened features a plain product, cut to its leading part."""
        mean_z = z.mean(axis=0)
        coefficients: Array = self.whitened @ z  # as from z - mean_z, for the features are centred
        outer = eigenvectors(coefficients.T @ coefficients)[:, :rank]
        inner: Array = np.linalg.solve(self.root.T, coefficients @ outer).T
        return LowRank(outer, inner, inner @ self.mean, mean_z)
