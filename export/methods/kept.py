"""Layers that keep their shape: their weights are fitted anew, to repair what earlier layers have lost.

The asymmetric idea [Z15] without any rank: the original response from the reduced network's input, by the
regression that pulls towards W. It costs nothing where the network runs.
"""

from export.methods.base import Candidate, Convolution, LayerData, Replacement, to_float32
from export.network import Layer
from export.responses import Matrix, Moments, Vector
from export.solvers import ridge_regression

NAME = "kept"
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
WORTH = 0.98


def kept(layer: Layer) -> Candidate:
    """The layer as it is."""
    return Candidate(NAME, (), layer.macs, layer.parameters, 0.0)


def refit(data: LayerData) -> Replacement | None:
    """The same convolution with new weights and bias; None where held-out images are no better off.

    Ridges are compared on held-out images, then the best is fitted on all.
    """
    layer = data.layer
    if layer.group > 1 or data.condensed:
        return None
    before = data.relative_error(data.weights, data.bias)
    trials = ((data.relative_error(*_solve(data, data.fit, ridge)), ridge) for ridge in RIDGES)
    error, ridge = min(trials)
    if not error < WORTH * before:
        return None
    weights, bias = _solve(data, data.fit.merge(data.held_out), ridge)
    convolution = Convolution(
        to_float32(weights.reshape(layer.out_channels, layer.in_channels, *layer.kernel)),
        to_float32(bias),
        layer.stride,
        layer.pads,
        layer.dilation,
    )
    return Replacement(kept(layer), "refit", (convolution,), error)


def _solve(data: LayerData, moments: Moments, ridge: float) -> tuple[Matrix, Vector]:
    weights = ridge_regression(moments, ridge, data.weights)
    return weights, moments.mean_y - weights @ moments.mean_x
