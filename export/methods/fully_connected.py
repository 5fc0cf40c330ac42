"""Fully connected layers: two Gemms, of cost and storage ``r (c + d)``.

The fits of the channel method with k = 1. A row of the input gives one sample, so samples are few, and the
fit must not ask for more than they tell:

* svd: truncated SVD of the weights [G15]; needs no samples, and is all there is where they are no more than
  the outputs;
* asymmetric: regression on the response ``ŷ = W x̂ + b`` [Z15], pulled towards ŷ itself by a ridge;
* refit: regression on the input itself, pulled towards W, where there are more samples than inputs.

The best on held-out images is taken.

[G15] Girshick, Fast R-CNN, arXiv 1504.08083, "Truncated SVD for faster detection". [Z15] Zhang, Zou, He, Sun,
Accelerating Very Deep Convolutional Networks, arXiv 1505.06798.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from export.fit.data import LayerData
from export.fit.moments import Matrix, Moments, Vector
from export.fit.solvers import RIDGE, LowRank, eigenvectors, reduced_rank_regression
from export.layer import Layer
from export.methods.base import Candidate, Replacement
from export.methods.factors import (
    cheaper_ranks,
    factor_pair,
    lost_energies,
    pair_candidate,
    singular_vectors,
    truncated,
)
from export.methods.nonlinear import activation_aware

# Samples are few, one an image: a weak pull would let the regressions learn them by heart.
RIDGES = {"svd": (0.0,), "asymmetric": (RIDGE, 1e-2, 1.0), "refit": (1e-3, 1e-2, 1e-1)}


class FullyConnected:
    """The channel method for fully connected layers: two Gemms; the rank is (r,)."""

    name = "fully-connected"
    rank_count = 1
    needs_patches = False

    def candidates(self, data: LayerData) -> list[Candidate]:
        """A grid of the ranks that are cheaper, each with the response energy it loses on held-out images."""
        if not data.layer.fully_connected:
            return []
        bases = [(singular_vectors(data.weights), data.bias)]
        if _enough(data):
            bases.append((eigenvectors(data.fit.yy), data.fit.mean_y))
        unseen = _unseen(data, data.fit, data.held_out)
        lost = np.min([lost_energies(unseen, *basis) for basis in bases], axis=0)
        return [
            self.candidate(data.layer, (rank,), unseen.relative(float(lost[rank - 1])))
            for rank in cheaper_ranks(data.layer)
        ]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """Two fully connected layers in a row: ``r (c + d)`` multiply-adds for each row of the input."""
        return pair_candidate(self.name, layer, ranks, relative_error)

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Fit every solver on one part of the images, keep the best on the rest, fit that on all."""
        rank = candidate.ranks[0]
        best = min(_trials(data, rank), key=lambda trial: trial.error)
        view = best.view
        aware = activation_aware(data, view.of, best.answer) if _enough(data) else None
        if aware is None:
            answer = _solve(data, view.fit.merge(view.held_out), best.solver, best.ridge).cut(rank)
            solver, error = best.solver, best.error
        else:
            answer, solver = aware, f"{best.solver}, {data.activation}"
            error = data.relative(view.held_out.error(aware.weights, aware.bias))
        return Replacement(candidate, solver, factor_pair(data.layer, answer, view.weights, view.bias), error)


@dataclass(frozen=True)
class _View:
    """What a fit sees of a layer's input: ``weights x̂ + bias``, and its moments with y."""

    weights: Matrix
    bias: Vector
    fit: Moments
    held_out: Moments

    def of(self, inputs: Matrix) -> Matrix:
        """Rows (n, c) of the input as the fit sees them."""
        seen: Matrix = inputs @ self.weights.T + self.bias
        return seen


@dataclass(frozen=True)
class _Trial:
    """A fit on one part of the images, and its relative error on the rest."""

    solver: str
    ridge: float
    view: _View
    answer: LowRank
    error: float


def _trials(data: LayerData, rank: int) -> Iterator[_Trial]:
    responses = _View(data.weights, data.bias, data.responses(data.fit), data.responses(data.held_out))
    attempts = [("svd", responses)]
    if _enough(data):
        attempts.append(("asymmetric", responses))
    if not data.condensed and data.fit.count > data.layer.in_channels:
        inputs = _View(
            np.eye(data.layer.in_channels), np.zeros(data.layer.in_channels), data.fit, data.held_out
        )
        attempts.append(("refit", inputs))
    for solver, view in attempts:
        for ridge in RIDGES[solver]:
            answer = _solve(data, view.fit, solver, ridge).cut(rank)
            unseen = _unseen(data, view.fit, view.held_out)
            error = unseen.relative(unseen.error(answer.weights, answer.bias))
            yield _Trial(solver, ridge, view, answer, error)


def _solve(data: LayerData, moments: Moments, solver: str, ridge: float) -> LowRank:
    if solver == "svd":
        return truncated(data.weights, data.bias)
    prior = np.eye(len(data.weights)) if solver == "asymmetric" else data.weights
    return reduced_rank_regression(moments, ridge, prior)


def _enough(data: LayerData) -> bool:
    """Whether there are more samples to fit on than there are outputs, whose directions a fit must find."""
    return data.fit.count > data.layer.out_channels


def _unseen(data: LayerData, fit: Moments, held_out: Moments) -> Moments:
    """Samples to judge on: all of them where none is used to fit."""
    return held_out if _enough(data) else fit.merge(held_out)
