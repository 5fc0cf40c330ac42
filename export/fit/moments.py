"""Running second moments of what a layer sees and what it should answer: streamed, mergeable, in float64.

Notation of the method: ``x`` is an input patch (of the reduced network: x̂), ``y`` the response wanted for it.
All linear solvers, and the error of every linear replacement, need only the moments here, so the memory they
take depends on the layer and not on the number of images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.fit.parallel import in_order

PANEL_COLUMNS = 512  # of a matrix product: a few for each worker, each large enough to be fast

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Samples = NDArray[np.floating]


@dataclass(frozen=True)
class Moments:
    """Means and centred second moments of paired samples.

    Attributes:
        count: Number of samples.
        mean_x: (p,)
        mean_y: (d,)
        xx: (p, p) sum of (x - mean)(x - mean)ᵀ.
        yx: (d, p) sum of (y - mean)(x - mean)ᵀ.
        yy: (d, d) sum of (y - mean)(y - mean)ᵀ.
    """

    count: int
    mean_x: Vector
    mean_y: Vector
    xx: Matrix
    yx: Matrix
    yy: Matrix

    @classmethod
    def of(cls, x: NDArray[np.floating], y: NDArray[np.floating]) -> "Moments":
        """Moments of samples x (n, p) and y (n, d)."""
        x, y = x.astype(np.float64), y.astype(np.float64)
        mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
        # Before the products: as the difference of two large sums, small variances would be rounded away.
        x -= mean_x
        y -= mean_y
        return cls(len(x), mean_x, mean_y, *_products(x, y))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of samples together.

        The update of Chan, Golub and LeVeque, Algorithms for computing the sample variance, 1983.
        """
        count = self.count + other.count
        step_x, step_y = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        weight = self.count * other.count / count
        return Moments(
            count,
            self.mean_x + step_x * (other.count / count),
            self.mean_y + step_y * (other.count / count),
            self.xx + other.xx + weight * np.outer(step_x, step_x),
            self.yx + other.yx + weight * np.outer(step_y, step_x),
            self.yy + other.yy + weight * np.outer(step_y, step_y),
        )

    def through(self, weights: Matrix, bias: Vector) -> "Moments":
        """Moments of ``(weights x + bias, y)``: for the asymmetric solver, of ``(ŷ, y)``.

        Args:
            weights: (q, p).
            bias: (q,).
        """
        return Moments(
            self.count,
            weights @ self.mean_x + bias,
            self.mean_y,
            weights @ self.xx @ weights.T,
            self.yx @ weights.T,
            self.yy,
        )

    def only(self, entries: NDArray[np.intp]) -> "Moments":
        """Moments of (some entries of x, y), the entries given by their indices (q,)."""
        return Moments(
            self.count,
            self.mean_x[entries],
            self.mean_y,
            self.xx[np.ix_(entries, entries)],
            self.yx[:, entries],
            self.yy,
        )

    def first(self, size: int) -> "Moments":
        """Moments of (the first ``size`` entries of x, y): views, where ``only`` would copy."""
        return Moments(
            self.count,
            self.mean_x[:size],
            self.mean_y,
            self.xx[:size, :size],
            self.yx[:, :size],
            self.yy,
        )

    def error(self, weights: Matrix, bias: Vector) -> float:
        """Mean of ``‖y - (weights x + bias)‖²`` over the samples.

        Args:
            weights: (d, p).
            bias: (d,).
        """
        offset = self.mean_y - weights @ self.mean_x - bias
        spread = np.trace(self.yy) - 2 * np.vdot(weights, self.yx) + np.vdot(weights @ self.xx, weights)
        return max(0.0, float(spread / self.count + offset @ offset))

    def relative(self, error: float) -> float:
        """A mean squared error over the variance of y; 0 for a constant response."""
        return error / self.variance if self.variance > 0 else 0.0

    @property
    def variance(self) -> float:
        """Variance of y, summed over its entries: mean of ``‖y - mean‖²``, to which errors are relative."""
        return float(np.trace(self.yy) / self.count)


def _products(x: Samples, y: Samples) -> tuple[Matrix, Matrix, Matrix]:
    """``xᵀx``, ``yᵀx`` and ``yᵀy`` of x (n, p) and y (n, d), in panels that several workers can share."""
    xx = np.empty((x.shape[1], x.shape[1]))
    yx = np.empty((y.shape[1], x.shape[1]))
    yy = np.empty((y.shape[1], y.shape[1]))

    def fill(piece: tuple[Samples, Samples, Matrix, slice, slice]) -> None:
        left, right, result, rows, columns = piece
        result[rows, columns] = left[:, rows].T @ right[:, columns]
        if left is right and rows != columns:  # symmetric: half of it says all
            result[columns, rows] = result[rows, columns].T

    panels_x, panels_y = _panels(x), _panels(y)
    pieces = [(x, x, xx, i, j) for i in panels_x for j in panels_x if i.start <= j.start]
    pieces += [(y, x, yx, i, j) for i in panels_y for j in panels_x]
    pieces += [(y, y, yy, i, j) for i in panels_y for j in panels_y if i.start <= j.start]
    for _ in in_order(fill, pieces):
        pass
    return xx, yx, yy


def _panels(samples: Samples) -> list[slice]:
    width = samples.shape[1]
    return [slice(first, min(first + PANEL_COLUMNS, width)) for first in range(0, width, PANEL_COLUMNS)]


class Accumulator:
    """Collects samples in blocks, so that one matrix product serves many images."""

    def __init__(self, block_rows: int = 2048) -> None:
        # Few images give too few rows for a fast matrix product; much longer blocks only take memory.
        self._block_rows = block_rows
        self._x: list[NDArray[np.float32]] = []
        self._y: list[NDArray[np.float32]] = []
        self._waiting = 0
        self._moments: Moments | None = None

    def add(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
        """Add samples x (n, p) and y (n, d); the arrays must not change afterwards."""
        self._x.append(x)
        self._y.append(y)
        self._waiting += len(x)
        if self._waiting >= self._block_rows:
            self._flush()

    def merge(self, later: "Accumulator") -> None:
        """Add all samples that another accumulator was given."""
        if (moments := later.so_far()) is not None:
            own = self.so_far()
            self._moments = moments if own is None else own.merge(moments)

    def moments(self) -> Moments:
        """Moments of all samples so far. Raises ``ValueError`` if there were none."""
        moments = self.so_far()
        if moments is None:
            raise ValueError("no samples were added")
        return moments

    def so_far(self) -> Moments | None:
        """Moments of all samples so far; None if there were none."""
        if self._waiting:
            self._flush()
        return self._moments

    def _flush(self) -> None:
        block = Moments.of(np.concatenate(self._x), np.concatenate(self._y))
        self._x, self._y, self._waiting = [], [], 0
        self._moments = block if self._moments is None else self._moments.merge(block)
