"""Channel reduction [Z15]: ``k×k`` with r filters, then ``1×1`` with d.

The response y of a layer lies close to an r-dimensional subspace, so r filters compute its coordinates there
and a 1×1 convolution leads back to d channels. Three fits, of which the best on held-out images is taken:

* linear: principal components of the response (no regression; the only one that ignores the reduced input);
* asymmetric: the original response from the reduced network's input, through W;
* refit: the same from the input patch itself, so that the k×k kernels are free of the row space of W,
  pulled towards W by a ridge so that few samples cannot overfit.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from edge_runtime.errors import ModelRefusedError
from export.methods.base import Convolution, LayerData, Replacement
from export.network import Layer
from export.responses import Moments
from export.solvers import LowRank, asymmetric, principal_responses, reduced_rank_regression

SOLVERS = ("linear", "asymmetric", "refit")
REFIT_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


class Channel:
    """The channel method with a choice of fits."""

    name = "channel"

    def __init__(self, solvers: Sequence[str] = SOLVERS) -> None:
        self._solvers = tuple(solvers)

    def ranks(self, layer: Layer) -> list[int]:
        """Ranks at which the pair is cheaper than the layer, in steps that kernels like."""
        full = min(layer.out_channels, layer.patch_length)
        cheaper = (layer.out_channels * layer.patch_length - 1) // (layer.patch_length + layer.out_channels)
        step = max(1, min(8, layer.out_channels // 8))
        return sorted({r for r in (1, *range(step, full + 1, step)) if r <= cheaper})

    def macs(self, layer: Layer, rank: int) -> int:
        """``r (c·kh·kw + d)`` at each position."""
        return layer.positions * rank * (layer.patch_length + layer.out_channels)

    def parameters(self, layer: Layer, rank: int) -> int:
        """Both kernels and the second one's bias."""
        return rank * (layer.patch_length + layer.out_channels) + layer.out_channels

    def fit(self, data: LayerData, rank: int) -> Replacement:
        """Fit every solver on one part of the images, keep the best on the rest, fit that on all."""
        everything = data.fit.merge(data.held_out)
        rows = []
        for name, ridge in self._attempts(data):
            trial = _solve(name, ridge, data, data.fit).cut(rank)
            rows.append((data.held_out.error(trial.weights, trial.bias), name, ridge))
        error, name, ridge = min(rows)
        answer = _solve(name, ridge, data, everything).cut(rank)
        return Replacement(
            method=self.name,
            solver=name,
            rank=rank,
            convolutions=factors(data.layer, answer),
            relative_error=error / max(data.held_out.variance, np.finfo(np.float64).tiny),
        )

    def _attempts(self, data: LayerData) -> Iterator[tuple[str, float]]:
        for name in self._solvers:
            if name != "refit":
                yield name, 0.0
            elif data.fit.count > data.layer.patch_length:
                yield from ((name, ridge) for ridge in REFIT_RIDGES)


def factors(layer: Layer, answer: LowRank) -> tuple[Convolution, Convolution]:
    """The pair of convolutions of a low-rank answer."""
    rank = len(answer.inner)
    inner = answer.inner.reshape(rank, layer.in_channels, *layer.kernel)
    outer = answer.outer.reshape(layer.out_channels, rank, 1, 1)
    return (
        Convolution(to_float32(inner), None, layer.stride, layer.pads, layer.dilation),
        Convolution(to_float32(outer), to_float32(answer.bias)),
    )


def to_float32(values: np.ndarray) -> np.ndarray:
    """Round to float32. Raises ``ModelRefusedError`` if that overflows or the values are not finite."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    if not np.isfinite(rounded).all():
        raise ModelRefusedError("the fit produced weights beyond float32; use more or other images")
    return rounded


def _solve(name: str, ridge: float, data: LayerData, moments: Moments) -> LowRank:
    if name == "linear":
        return principal_responses(moments, data.weights, data.bias)
    if name == "asymmetric":
        return asymmetric(moments, data.weights, data.bias)
    return reduced_rank_regression(moments, ridge, data.weights)
