"""The activation that follows a layer, as the nonlinear solver needs it.

The solver minimises ``(r(y) - r(z))² + λ (z - p)²`` over each z by itself, p what the map answers so far
[Z15, "The nonlinear case"; the paper solves it for ReLU]. Where r is piecewise linear that is exact: on each
piece the cost is a parabola, whose least point within the piece is taken, and the cheapest piece wins. For
smooth activations (SiLU, HardSwish) the least point is searched to a sixteenth of the way between p and y,
where it lies as long as r rises from one to the other.

[Z15] Zhang, Zou, He, Sun, Accelerating Very Deep Convolutional Networks, arXiv 1505.06798.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # float64 or float32


class Nonlinearity(Protocol):
    """An elementwise activation r."""

    @property
    def name(self) -> str:
        """Its name, as reports show it."""
        ...

    def __call__(self, values: Array) -> Array:
        """Apply the activation to each value; the shape stays."""
        ...

    def closest(self, response: Array, target: Array, guess: Array, penalty: float) -> Array:
        """The z of least ``(target - r(z))² + penalty (z - guess)²``, each value by itself.

        Args:
            response: y.
            target: r(y), of the same shape.
            guess: p, of the same shape.
            penalty: λ.
        """
        ...


@dataclass(frozen=True)
class Piece:
    """``r(z) = slope z + offset`` for low ≤ z ≤ high."""

    low: float
    high: float
    slope: float
    offset: float


@dataclass(frozen=True)
class PiecewiseLinear:
    """A continuous activation of linear pieces that rise and leave no gap."""

    name: str
    pieces: tuple[Piece, ...]

    def __call__(self, values: Array) -> Array:
        """Apply the activation to each value; the shape stays."""
        # The sum of what each piece adds: choosing among them for each value would cost more.
        first, *others = self.pieces
        result = first.slope * np.minimum(values, first.high) + first.offset
        for piece in others:
            if piece.slope:
                result += piece.slope * (np.clip(values, piece.low, piece.high) - piece.low)
        return result

    def closest(self, response: Array, target: Array, guess: Array, penalty: float) -> Array:
        """The z of least ``(target - r(z))² + penalty (z - guess)²``, exactly: see ``Nonlinearity.closest``.

        The best point of each piece, then the best piece.
        """
        del response  # known only by its target here
        (best, answer), *others = (self._closest_on(piece, target, guess, penalty) for piece in self.pieces)
        for cost, z in others:
            best, answer = _better(best, answer, cost, z)
        return answer

    @staticmethod
    def _closest_on(piece: Piece, target: Array, guess: Array, penalty: float) -> tuple[Array, Array]:
        """The least cost on one piece, and its z."""
        wanted = guess
        if piece.slope:
            share = 1.0 / (penalty + piece.slope**2)
            wanted = (share * penalty) * guess + (share * piece.slope) * (target - piece.offset)
        z = np.clip(wanted, piece.low, piece.high)
        miss = target - (piece.slope * z + piece.offset) if piece.slope else target - piece.offset
        step = z - guess
        return miss * miss + penalty * (step * step), z


@dataclass(frozen=True)
class Smooth:
    """An activation without a closed form of its closest point."""

    name: str
    function: Callable[[Array], Array]

    def __call__(self, values: Array) -> Array:
        """Apply the activation to each value; the shape stays."""
        return self.function(values)

    def closest(self, response: Array, target: Array, guess: Array, penalty: float) -> Array:
        """The z of least ``(target - r(z))² + penalty (z - guess)²``, searched: see ``Nonlinearity.closest``.

        The best of the quarters of the way from ``guess`` to ``response``, twice refined by halves; ``guess``
        itself is always among them.
        """
        way = response - guess
        pull = penalty * (way * way)

        def cost(step: Array | float) -> Array:
            miss = target - self.function(guess + step * way)
            price: Array = miss * miss + (step * step) * pull
            return price

        best, steps = cost(0.0), np.zeros_like(guess)
        for quarter in range(1, 5):
            best, steps = _better(best, steps, cost(quarter / 4), quarter / 4)
        for width in (1 / 8, 1 / 16):
            middle = steps
            for offset in (-width, width):
                step = np.clip(middle + offset, 0.0, 1.0)
                best, steps = _better(best, steps, cost(step), step)
        nearest: Array = guess + steps * way
        return nearest


def _better(best: Array, answer: Array, cost: Array, rival: Array | float) -> tuple[Array, Array]:
    """The lower of two costs, and its answer: without branches, which noise would mislead."""
    return np.minimum(best, cost), answer + (cost < best) * (rival - answer)


def relu() -> PiecewiseLinear:
    """The activation ReLU: ``max(z, 0)``."""
    return leaky_relu(0.0, "relu")


def leaky_relu(slope: float, name: str = "leaky relu") -> PiecewiseLinear:
    """The activation leaky ReLU: ``z`` above zero, ``slope z`` below; the slope is not negative."""
    return PiecewiseLinear(name, (Piece(-np.inf, 0.0, slope, 0.0), Piece(0.0, np.inf, 1.0, 0.0)))


def clip(low: float, high: float) -> PiecewiseLinear:
    """An activation that keeps ``z`` between two bounds, such as ReLU6; ``low`` is below ``high``."""
    pieces = (Piece(-np.inf, low, 0.0, low), Piece(low, high, 1.0, 0.0), Piece(high, np.inf, 0.0, high))
    return PiecewiseLinear("clip", pieces)


def silu() -> Smooth:
    """The activation SiLU, also called Swish: ``z / (1 + exp(-z))``."""
    return Smooth("silu", lambda z: z / (1.0 + np.exp(np.minimum(-z, 60.0))))


def hard_swish() -> Smooth:
    """The activation HardSwish: ``z · clip(z / 6 + 1/2, 0, 1)``."""
    return Smooth("hard swish", lambda z: z * np.clip(z / 6.0 + 0.5, 0.0, 1.0))
