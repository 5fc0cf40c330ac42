"""The activation that follows a layer, as the nonlinear solver needs it.

The solver minimises ``(r(y) - r(z))² + λ (z - p)²`` over each z by itself [Z15 §nonlinear]. Where r is
piecewise linear that is exact: on each piece the cost is a parabola, whose least point within the piece is
taken, and the cheapest piece wins. For smooth activations (SiLU, HardSwish) the least point is searched on a
grid between p and y, which holds it as long as r rises from one to the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from export.graph import consumers
from export.network import attributes, initialiser

Array = NDArray[np.float64]

GRID_STEPS = 17


class Nonlinearity(Protocol):
    """An elementwise activation r."""

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    def __call__(self, values: Array) -> Array:
        """r, elementwise."""
        ...

    def closest(self, response: Array, target: Array, guess: Array, penalty: float) -> Array:
        """The z of least ``(target - r(z))² + penalty (z - guess)²``, elementwise; target = r(response)."""
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
        """r, elementwise."""
        result = np.zeros_like(values)
        for piece in self.pieces:
            line = piece.slope * values + piece.offset if piece.slope else piece.offset
            result = np.where(values >= piece.low, line, result)
        return result

    def closest(self, response: Array, target: Array, guess: Array, penalty: float) -> Array:
        """Exact: the best point of each piece, then the best piece."""
        del response  # known only by its target here
        candidates = [self._closest_on(piece, target, guess, penalty) for piece in self.pieces]
        answer, best = candidates[0]
        for z, cost in candidates[1:]:
            answer = np.where(cost < best, z, answer)
            best = np.minimum(cost, best)
        return answer

    @staticmethod
    def _closest_on(piece: Piece, target: Array, guess: Array, penalty: float) -> tuple[Array, Array]:
        """The best z on one piece, and its cost."""
        wanted = guess
        if piece.slope:
            wanted = (penalty * guess + piece.slope * (target - piece.offset)) / (penalty + piece.slope**2)
        z = np.minimum(np.maximum(wanted, piece.low), piece.high)
        miss = target - (piece.slope * z + piece.offset)
        step = z - guess
        return z, miss * miss + penalty * step * step


@dataclass(frozen=True)
class Smooth:
    """An activation without a closed form of its closest point."""

    name: str
    function: Callable[[Array], Array]

    def __call__(self, values: Array) -> Array:
        """r, elementwise."""
        return self.function(values)

    def closest(self, response: Array, target: Array, guess: Array, penalty: float) -> Array:
        """The best of a grid from ``guess`` to ``response``; ``guess`` itself is always in it."""
        best = np.full_like(guess, np.inf)
        answer = guess
        for step in np.linspace(0.0, 1.0, GRID_STEPS):
            z = guess + step * (response - guess)
            cost = (target - self.function(z)) ** 2 + penalty * (z - guess) ** 2
            better = cost < best
            best = np.where(better, cost, best)
            answer = np.where(better, z, answer)
        return answer


def relu() -> PiecewiseLinear:
    """``max(z, 0)``."""
    return leaky_relu(0.0, "relu")


def leaky_relu(slope: float, name: str = "leaky relu") -> PiecewiseLinear:
    """``z`` above zero, ``slope z`` below."""
    return PiecewiseLinear(name, (Piece(-np.inf, 0.0, slope, 0.0), Piece(0.0, np.inf, 1.0, 0.0)))


def clip(low: float, high: float) -> PiecewiseLinear:
    """``z`` kept between two bounds, such as ReLU6."""
    pieces = (Piece(-np.inf, low, 0.0, low), Piece(low, high, 1.0, 0.0), Piece(high, np.inf, 0.0, high))
    return PiecewiseLinear("clip", pieces)


def silu() -> Smooth:
    """``z / (1 + exp(-z))``."""
    return Smooth("silu", lambda z: z / (1.0 + np.exp(-np.clip(z, -60.0, 60.0))))


def hard_swish() -> Smooth:
    """``z · clip(z / 6 + 1/2, 0, 1)``."""
    return Smooth("hard swish", lambda z: z * np.clip(z / 6.0 + 0.5, 0.0, 1.0))


def nonlinearity_after(model: onnx.ModelProto, tensor: str) -> Nonlinearity | None:
    """The activation that every reader of ``tensor`` applies; None for the identity, or one not known."""
    nodes = consumers(model, tensor)
    kinds = sorted(node.op_type for node in nodes)
    if tensor in {value.name for value in model.graph.output} or not nodes:
        return None
    if kinds == ["Mul", "Sigmoid"]:
        sigmoid, mul = sorted(nodes, key=lambda node: node.op_type, reverse=True)
        return silu() if set(mul.input) == {tensor, sigmoid.output[0]} else None
    return _single(model, nodes[0]) if len(nodes) == 1 else None


def _single(model: onnx.ModelProto, node: onnx.NodeProto) -> Nonlinearity | None:
    fields = attributes(node)
    if node.op_type == "Relu":
        return relu()
    if node.op_type == "HardSwish":
        return hard_swish()
    if node.op_type == "LeakyRelu":
        return leaky_relu(float(fields.get("alpha", 0.01)))  # type: ignore[arg-type]
    if node.op_type == "Clip":
        return _clip(model, node)
    return None


def _clip(model: onnx.ModelProto, node: onnx.NodeProto) -> Nonlinearity | None:
    bounds = []
    for index, missing in ((1, -np.inf), (2, np.inf)):
        name = node.input[index] if len(node.input) > index else ""
        try:
            bounds.append(float(initialiser(model, name)) if name else missing)
        except KeyError:
            return None
    return clip(*bounds) if np.isfinite(bounds).all() else None
