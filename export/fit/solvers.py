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
        """Mean of ``‖y - ỹ‖²`` on samples of these moments, for each rank 1, 2, ..., r: (r,).

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
        """The linear part of the map: (d, p), the product of the two factors."""
        return self.outer @ self.inner

    @property
    def bias(self) -> Vector:
        """The constant of the map: (d,)."""
        return self.mean_y - self.outer @ self.centre


def principal_responses(moments: Moments, weights: Matrix, bias: Vector) -> LowRank:
    """Project the responses on the leading eigenvectors of their covariance: [Z15]'s linear case.

    Minimises ``E‖(y - ȳ) - M (y - ȳ)‖²`` over M of bounded rank, and puts ``W x + b`` for y on the right.

    Args:
        moments: Of (x, y); only those of y are used.
        weights: (d, p), ``W``.
        bias: (d,), ``b``.

    Returns:
        The maps from x to y of ranks 1 to d, as one answer to be cut.
    """
    vectors = eigenvectors(moments.yy)
    return LowRank(vectors, vectors.T @ weights, vectors.T @ (moments.mean_y - bias), moments.mean_y)


def asymmetric(moments: Moments, weights: Matrix, bias: Vector) -> LowRank:
    """Regress the original response on that to the reduced network's input: [Z15]'s asymmetric case.

    Minimises ``E‖y - (M ŷ + β)‖²`` over M of bounded rank, with ``ŷ = W x̂ + b``.

    Args:
        moments: Of (x̂, y).
        weights: (d, p), ``W``.
        bias: (d,), ``b``.

    Returns:
        The maps from x̂ to y of ranks 1 to d, as one answer to be cut.
    """
    fit = reduced_rank_regression(moments.through(weights, bias), RIDGE, np.eye(len(weights)))
    inner = fit.inner @ weights
    return LowRank(fit.outer, inner, inner @ moments.mean_x, moments.mean_y)


def reduced_rank_regression(moments: Moments, ridge: float, prior: Matrix) -> LowRank:
    """The best linear map of bounded rank from x to y, for every rank at once.

    Minimises ``E‖(y - ȳ) - M (x - x̄)‖²``, the ridge added: ridge regression ``B``, then projection on the
    leading eigenvectors ``U`` of the covariance of what it explains, ``M = U Uᵀ B`` (Izenman, Reduced-rank
    regression for the multivariate linear model, 1975). With x = ŷ this is the GSVD of [Z15]; with x = x̂ and
    W for the prior it is the refit.

    Args:
        moments: Of (x, y).
        ridge: Strength of the pull, relative to the mean eigenvalue.
        prior: (d, p), what a direction without evidence is pulled to.

    Returns:
        The maps of ranks 1 to d, as one answer to be cut.
    """
    regression = ridge_regression(moments, ridge, prior)
    vectors = eigenvectors(regression @ with_ridge(moments.xx, ridge) @ regression.T)
    inner = vectors.T @ regression
    return LowRank(vectors, inner, inner @ moments.mean_x, moments.mean_y)


def eigenvectors(symmetric: Matrix) -> Matrix:
    """Eigenvectors of a symmetric (d, d) as columns, by falling eigenvalue.

    Their signs are fixed, so that equal input gives equal bytes.
    """
    _, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2)
    vectors = vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    return vectors * np.where(largest < 0, -1.0, 1.0)
