"""Channel reduction [Z15]: ``k×k`` with r filters, then ``1×1`` with d.

[Z15] Zhang, Zou, He, Sun, Accelerating Very Deep Convolutional Networks, arXiv 1505.06798.

The response y of a layer lies close to an r-dimensional subspace, so r filters compute its coordinates there
and a 1×1 convolution leads back to d channels. Three fits, of which the best on held-out images is taken:

* linear: principal components of the response (no regression; the only one that ignores the reduced input);
* asymmetric: the original response from the reduced network's input, through W;
* refit: the same from the input patch itself, so that the k×k kernels are free of the row space of W,
  pulled towards W by a ridge so that few samples cannot overfit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from export.fit.data import LayerData
from export.fit.moments import Moments
from export.fit.solvers import LowRank, asymmetric, eigenvectors, principal_responses, reduced_rank_regression
from export.layer import Convolution, Layer
from export.methods.base import Candidate, Replacement, rank_grid, to_float32
from export.methods.factors import pair_candidate
from export.methods.nonlinear import activation_aware

SOLVERS = ("linear", "asymmetric", "refit")
# From nearly free to nearly W: which is best depends on how many samples there are for each unknown.
REFIT_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


class Channel:
    """The channel method: ``k×k`` with r filters, then ``1×1``; the rank is (r,)."""

    name = "channel"
    rank_count = 1
    needs_patches = False

    def __init__(self, solvers: Sequence[str] = SOLVERS) -> None:
        """Choose among some fits.

        Args:
            solvers: Their names, of those in ``SOLVERS``.
        """
        self._solvers = tuple(solvers)

    def candidates(self, data: LayerData) -> list[Candidate]:
        """A grid of the ranks that are cheaper, each with the response energy it loses on held-out images."""
        layer = data.layer
        if layer.fully_connected:
            return []
        full = min(layer.out_channels, layer.patch_length)
        cheaper = (layer.out_channels * layer.patch_length - 1) // (layer.patch_length + layer.out_channels)
        ranks = rank_grid(min(full, cheaper), layer.out_channels)
        vectors = eigenvectors(data.fit.yy)
        kept = np.cumsum(np.einsum("ir,ij,jr->r", vectors, data.held_out.yy, vectors, optimize=True))
        total = float(np.trace(data.held_out.yy))
        lost = [max(0.0, total - float(kept[rank - 1])) / data.held_out.count for rank in ranks]
        return [
            self.candidate(layer, (rank,), data.relative(error))
            for rank, error in zip(ranks, lost, strict=True)
        ]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """A ``k×k`` and a ``1×1`` convolution: ``r (c·kh·kw + d)`` multiply-adds at each position."""
        return pair_candidate(self.name, layer, ranks, relative_error)

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Fit every solver on one part of the images, keep the best on the rest, fit that on all."""
        rank = candidate.ranks[0]
        trials = []
        for name, ridge in self._attempts(data):
            trial = _solve(name, ridge, data, data.fit).cut(rank)
            trials.append((data.relative_error(trial.weights, trial.bias), name, ridge))
        error, name, ridge = min(trials)
        trial = _solve(name, ridge, data, data.fit)
        aware = activation_aware(data, lambda x: x @ trial.weights.T, _on_own_answers(trial).cut(rank))
        if aware is not None:
            answer = replace(aware, inner=aware.inner @ trial.weights)
            error = data.relative_error(answer.weights, answer.bias)
            return Replacement(candidate, f"{name}, {data.activation}", _factors(data.layer, answer), error)
        answer = _solve(name, ridge, data, data.fit.merge(data.held_out)).cut(rank)
        return Replacement(candidate, name, _factors(data.layer, answer), error)

    def _attempts(self, data: LayerData) -> Iterator[tuple[str, float]]:
        for name in self._solvers:
            if name != "refit":
                yield name, 0.0
            # Of fewer samples than unknowns a regression tells nothing that the ridge did not put in.
            elif data.fit.count > data.layer.patch_length:
                yield from ((name, ridge) for ridge in REFIT_RIDGES)


def _solve(name: str, ridge: float, data: LayerData, moments: Moments) -> LowRank:
    if name == "linear":
        return principal_responses(moments, data.weights, data.bias)
    if name == "asymmetric":
        return asymmetric(moments, data.weights, data.bias)
    return reduced_rank_regression(moments, ridge, data.weights)


def _on_own_answers(full: LowRank) -> LowRank:
    """An answer of full rank as a map from its own linear part ``weights x``, so that it can be cut."""
    return replace(full, inner=full.outer.T)


def _factors(layer: Layer, answer: LowRank) -> tuple[Convolution, Convolution]:
    rank = len(answer.inner)
    inner = answer.inner.reshape(rank, layer.in_channels, *layer.kernel)
    outer = answer.outer.reshape(layer.out_channels, rank, 1, 1)
    return (
        Convolution(to_float32(inner), None, layer.stride, layer.pads, layer.dilation),
        Convolution(to_float32(outer), to_float32(answer.bias)),
    )
