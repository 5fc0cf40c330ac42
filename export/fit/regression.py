"""Ridge regression of a response on features: the one place where the ridge is written down.

Minimises ``E‖(y - ȳ) - M (x - x̄)‖² + ridge · λ̄ ‖M - prior‖²``, with λ̄ the mean eigenvalue of the covariance
of x. So a ridge means the same for layers whose inputs are large and for those whose inputs are small, and
directions in which x does not vary keep the prior's answer.
"""

import numpy as np

from export.fit.moments import Matrix, Moments, Vector


def pull_of(covariance: Matrix, ridge: float) -> float:
    """The ridge in absolute terms: ``ridge`` times the mean eigenvalue of a covariance (p, p).

    Never quite zero, so that a covariance of zeros can be solved too: it gives the prior back.
    """
    return float(ridge * np.trace(covariance) / len(covariance) + np.finfo(np.float64).tiny)


def with_ridge(covariance: Matrix, ridge: float) -> Matrix:
    """A covariance (p, p) with the ridge on its diagonal."""
    return covariance + pull_of(covariance, ridge) * np.eye(len(covariance))


def ridge_regression(moments: Moments, ridge: float, prior: Matrix) -> Matrix:
    """The linear map from x to y of least error, pulled towards a prior.

    Args:
        moments: Of (x, y), x of p entries and y of d.
        ridge: Strength of the pull, relative to the mean eigenvalue of the covariance of x.
        prior: (d, p), what directions without evidence are pulled to.

    Returns:
        (d, p) ``M``; the constant that goes with it is ``intercept``.
    """
    covariance = with_ridge(moments.xx, ridge)
    target = moments.yx + pull_of(moments.xx, ridge) * prior
    return np.asarray(np.linalg.solve(covariance, target.T).T, np.float64)


def intercept(moments: Moments, weights: Matrix) -> Vector:
    """The constant (d,) with which ``weights x + constant`` answers ȳ to x̄."""
    constant: Vector = moments.mean_y - weights @ moments.mean_x
    return constant
