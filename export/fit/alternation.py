"""The nonlinear fit [Z15, "The nonlinear case"]: match what comes out of the activation, not what goes in.

[Z15] Zhang, Zou, He, Sun, Accelerating Very Deep Convolutional Networks, arXiv 1505.06798.

Minimises ``E‖r(y) - r(M f + β)‖²`` over maps M of bounded rank, f a layer's features, by the paper's
relaxation ``E‖r(y) - r(z)‖² + λ E‖z - (M f + β)‖²``. Two steps alternate:

(a) z for M and β fixed, elementwise: see ``nonlinearity``;
(b) M and β for z fixed, by reduced-rank regression from f to z.

λ rises in the course, which ties z to ``M f + β`` in the end. Only the moments of z with f change between
steps, so f is whitened once: then the regression is a plain product.
"""

from dataclasses import dataclass

import numpy as np

from export.fit.moments import Matrix, Vector
from export.fit.nonlinearity import Array, Nonlinearity
from export.fit.parallel import in_order, row_chunks
from export.fit.regression import with_ridge
from export.fit.solvers import RIDGE, LowRank

BLOCK_ROWS = 32  # of some hundred columns: what one step touches stays in the cache
POWER_ITERATIONS = 2
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
        total = _step(self.responses, wanted, predict(answer, self.features), nonlinearity, None)
        return total / len(wanted)


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
    # single precision is twice as fast, and what it loses is far below what samples can tell
    responses = samples.responses.astype(np.float32)
    course = _Course(regression, responses, nonlinearity(responses), nonlinearity)
    answer = best = first = regression.whiten(start)
    least = np.inf
    for penalty in (*SCHEDULE, None):  # None: only judges the last answer
        error, following = course.step(answer, penalty)
        if error < least:
            best, least = answer, error
        if following is not None:
            answer = following
    return start if best is first else regression.unwhiten(best)


def predict(answer: LowRank, features: Array) -> Array:
    """The responses (n, d) that an answer gives to features (n, q): ``M f + β``."""
    values: Array = (features @ answer.inner.T - answer.centre) @ answer.outer.T
    values += answer.mean_y
    return values


def _step(
    responses: Array, wanted: Array, guess: Array, nonlinearity: Nonlinearity, penalty: float | None
) -> float:
    """Squared error of ``guess`` (n, d), which then becomes the z closest to it, in blocks for the cache."""
    total = 0.0
    for first in range(0, len(guess), BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        z = guess[rows]
        difference = nonlinearity(z) - wanted[rows]
        total += float(np.einsum("nd,nd->", difference, difference, dtype=np.float64))
        if penalty is not None:
            guess[rows] = nonlinearity.closest(responses[rows], wanted[rows], z, penalty)
    return total


@dataclass(frozen=True)
class _Answer:
    """``outer inner w + mean`` of whitened features w: inner (r, q), outer (d, r), mean (d,)."""

    outer: Matrix
    inner: Matrix
    mean: Vector


@dataclass(frozen=True)
class _Regression:
    """Features of a mean and a Cholesky root: ``f = root w + mean``; w (n, q) float32, whitened."""

    mean: Vector
    root: Matrix
    whitened: Array

    @classmethod
    def of(cls, features: Array) -> "_Regression":
        mean = np.asarray(features.mean(axis=0), np.float64)
        chunks = row_chunks(len(features))
        covariance: Matrix = np.zeros((features.shape[1], features.shape[1]))
        for part in in_order(lambda rows: _square(features[rows], mean), chunks):
            covariance += part
        root = np.asarray(np.linalg.cholesky(with_ridge(covariance, RIDGE)), np.float64)
        inverse = np.linalg.inv(root)
        whitened = np.empty(features.shape, np.float32)

        def whiten(rows: slice) -> None:
            whitened[rows] = (features[rows] - mean) @ inverse.T

        for _ in in_order(whiten, chunks):
            pass
        return cls(mean, root, whitened)

    def whiten(self, answer: LowRank) -> _Answer:
        """The same map, from whitened features."""
        mean = answer.mean_y + answer.outer @ (answer.inner @ self.mean - answer.centre)
        return _Answer(answer.outer, answer.inner @ self.root, mean)

    def unwhiten(self, answer: _Answer) -> LowRank:
        """The same map, from the features themselves."""
        inner = np.asarray(np.linalg.solve(self.root.T, answer.inner.T).T, np.float64)
        return LowRank(answer.outer, inner, inner @ self.mean, answer.mean)


@dataclass(frozen=True)
class _Course:
    """The two steps, on samples in chunks of rows."""

    regression: _Regression
    responses: Array
    wanted: Array
    nonlinearity: Nonlinearity

    def step(self, answer: _Answer, penalty: float | None) -> tuple[float, _Answer | None]:
        """Error of an answer, and the answer that follows it; none without a penalty."""
        whitened = self.regression.whitened
        inner, outer, mean = (
            part.astype(np.float32) for part in (answer.inner.T, answer.outer.T, answer.mean)
        )

        def chunk(rows: slice) -> tuple[float, Array, Array]:
            z = (whitened[rows] @ inner) @ outer
            z += mean
            error = _step(self.responses[rows], self.wanted[rows], z, self.nonlinearity, penalty)
            if penalty is None:
                return error, mean, mean
            z -= mean  # small numbers: their products lose less
            return error, z.sum(axis=0), z.T @ whitened[rows]

        total, shift = 0.0, np.zeros(len(mean))
        products = np.zeros((len(mean), whitened.shape[1]))
        for error, sums, product in in_order(chunk, row_chunks(len(whitened))):
            total += error
            if penalty is not None:
                shift += sums
                products += product
        count = len(whitened)
        if penalty is None:
            return total / count, None
        return total / count, _cut(products, answer.outer, answer.mean + shift / count)


def _cut(coefficients: Matrix, outer: Matrix, mean: Vector) -> _Answer:
    """The leading part of coefficients (d, q), of the rank of ``outer`` (d, r), which is close to it.

    z changes little from step to step, so a power iteration from the last directions finds the next ones; all
    eigenvectors anew would cost more than the rest of the step.
    """
    for _ in range(POWER_ITERATIONS):
        outer = np.asarray(np.linalg.qr(coefficients @ (coefficients.T @ outer)).Q, np.float64)
    return _Answer(outer, outer.T @ coefficients, mean)


def _square(values: Array, mean: Vector) -> Matrix:
    centred = values - mean
    product: Matrix = centred.T @ centred
    return product
