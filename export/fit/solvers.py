"""Low-rank fits of a layer's responses, from moments alone: pure numpy, float64.

[Z15] Zhang, Zou, He, Sun, Accelerating Very Deep Convolutional Networks, arXiv 1505.06798.
"""

from dataclasses import dataclass

import numpy as np

from export.fit.moments import Matrix, Moments, Vector
from export.fit.regression import ridge_regression, with_ridge

RIDGE = 1e-6  # only keeps the regression solvable where samples leave directions out; it shrinks nothing


@dataclass(frozen=True)
class LowRank:
    """``y ≈ outer (inner x - centre) + mean_y``, with all ranks at hand: cut to the first columns and rows.

    Attributes:
        outer: (d, r), orthonormal columns in falling order of importance.
        inner: (r, p).
        centre: (r,), the value of ``inner x`` that answers ``mean_y``.
        mean_y: (d,)
    """

    outer: Matrix
    inner: Matrix
    centre: Vector
    mean_y: Vector

    def cut(self, rank: int) -> "LowRank":
        """The best answer of a smaller rank: its first ``rank`` columns and rows."""
        return LowRank(self.outer[:, :rank], self.inner[:rank], self.centre[:rank], self.mean_y)

    def errors_by_rank(self, moments: Moments) -> Vector:
        """Mean of ``‖y - ỹ‖²`` on other samples for each rank 1, 2, ..., r: (r,).

        Uses that the columns of ``outer`` are orthonormal, so each rank adds a term of its own.
        """
        shift = self.outer.T @ (moments.mean_y - self.mean_y)
        step = self.inner @ moments.mean_x - self.centre
        explained = 2 * np.einsum("dr,dp,rp->r", self.outer, moments.yx, self.inner, optimize=True)
        answered = np.einsum("rp,pq,rq->r", self.inner, moments.xx, self.inner, optimize=True)
        gains = (explained - answered) / moments.count + 2 * shift * step - step**2
        offset = moments.mean_y - self.mean_y
        errors: Vector = moments.variance + offset @ offset - np.cumsum(gains)
        return errors

    @property
    def weights(self) -> Matrix:
        """(d, p) product of the two factors."""
        return self.outer @ self.inner

    @property
    def bias(self) -> Vector:
        """(d,) constant term of the whole map."""
        return self.mean_y - self.outer @ self.centre


def principal_responses(moments: Moments, weights: Matrix, bias: Vector) -> LowRank:
    """[Z15] linear: project the responses on the top eigenvectors of their covariance.

    Args:
        moments: Of (x, y); only those of y are used.
        weights: (d, p), ``W``.
        bias: (d,), ``b``.
    """
    vectors = eigenvectors(moments.yy)
    return LowRank(vectors, vectors.T @ weights, vectors.T @ (moments.mean_y - bias), moments.mean_y)


def asymmetric(moments: Moments, weights: Matrix, bias: Vector) -> LowRank:
    """[Z15] asymmetric: regress the original response on ``ŷ = W x̂ + b`` of the reduced network's input.

    Args:
        moments: Of (x̂, y).
        weights: (d, p), ``W``.
        bias: (d,), ``b``.
    """
    fit = reduced_rank_regression(moments.through(weights, bias), RIDGE, np.eye(len(weights)))
    inner = fit.inner @ weights
    return LowRank(fit.outer, inner, inner @ moments.mean_x, moments.mean_y)


def reduced_rank_regression(moments: Moments, ridge: float, prior: Matrix) -> LowRank:
    """Best rank-constrained linear map from x to y, for every rank at once.

    Ridge regression, then projection on the top eigenvectors of what it explains. With x = ŷ this is the
    paper's GSVD ([Z15] asymmetric); with x = x̂ and prior W it is the refit.

    Args:
        moments: Of (x, y).
        ridge: Strength of the pull, relative to the mean eigenvalue.
        prior: (d, p), what a direction without evidence is pulled to.
    """
    regression = ridge_regression(moments, ridge, prior)
    vectors = eigenvectors(regression @ with_ridge(moments.xx, ridge) @ regression.T)
    inner = vectors.T @ regression
    return LowRank(vectors, inner, inner @ moments.mean_x, moments.mean_y)


def eigenvectors(symmetric: Matrix) -> Matrix:
    """Eigenvectors as columns, falling eigenvalues; signs fixed so that equal input gives equal bytes."""
    _, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2)
    vectors = vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    return vectors * np.where(largest < 0, -1.0, 1.0)
