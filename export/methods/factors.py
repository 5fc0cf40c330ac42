"""What the methods share that put two factors in a layer's place: ``k×k`` with r filters, ``1×1`` with d."""

import numpy as np

from export.fit.moments import Matrix, Moments, Vector
from export.fit.solvers import LowRank, eigenvectors
from export.layer import Convolution, Layer
from export.methods.base import Candidate, rank_grid, to_float32


def pair_candidate(method: str, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
    """A ``k×k`` and a ``1×1`` convolution in a layer's place: ``r (c·kh·kw + d)`` at each position.

    Args:
        method: Name of the method that offers them.
        layer: The layer.
        ranks: (r,).
        relative_error: Held-out squared error of the response over its variance.
    """
    (rank,) = ranks
    convolutions = (
        layer.factor(rank, layer.in_channels, vertical=True, horizontal=True),
        layer.factor(layer.out_channels, rank, bias=True),
    )
    return Candidate(method, ranks, convolutions, relative_error)


def cheaper_ranks(layer: Layer) -> list[int]:
    """A grid of the ranks, rising, at which a pair of factors is cheaper than the layer."""
    product = layer.out_channels * layer.patch_length
    cheaper = (product - 1) // (layer.patch_length + layer.out_channels)
    return rank_grid(min(layer.out_channels, layer.patch_length, cheaper), layer.out_channels)


def singular_vectors(weights: Matrix) -> Matrix:
    """Left singular vectors of a matrix (d, p) as columns, the most important first: (d, d)."""
    return eigenvectors(weights @ weights.T)


def truncated(weights: Matrix, bias: Vector) -> LowRank:
    """The maps from a layer's response y to what its truncated weights answer: ``U Uᵀ (y - b) + b``.

    Args:
        weights: (d, p), ``W``, of which U are the leading left singular vectors.
        bias: (d,), ``b``.
    """
    vectors = singular_vectors(weights)
    return LowRank(vectors, vectors.T, vectors.T @ bias, bias)


def lost_energies(moments: Moments, vectors: Matrix, centre: Vector) -> Vector:
    """Mean of ``‖(I - U Uᵀ)(y - centre)‖²`` for U the first 1, 2, ..., r columns of ``vectors``: (r,).

    Args:
        moments: Of (x, y); only those of y are used.
        vectors: (d, r), orthonormal columns.
        centre: (d,).
    """
    offset = moments.mean_y - centre
    scatter = moments.yy / moments.count + np.outer(offset, offset)
    kept = np.cumsum(np.einsum("ir,ij,jr->r", vectors, scatter, vectors, optimize=True))
    lost: Vector = np.maximum(0.0, np.trace(scatter) - kept)
    return lost


def factor_pair(
    layer: Layer, answer: LowRank, weights: Matrix, bias: Vector
) -> tuple[Convolution, Convolution]:
    """A map from features ``weights x + bias`` of a layer's input as two convolutions on that input.

    Args:
        layer: The layer.
        answer: The map from the features (q,) to the response (d,), of rank r.
        weights: (q, c·kh·kw).
        bias: (q,).

    Returns:
        ``k×k`` with r filters and no bias, and ``1×1`` with d.

    Raises:
        ModelRefusedError: A weight would not fit into float32.
    """
    rank = len(answer.inner)
    inner = (answer.inner @ weights).reshape(rank, layer.in_channels, *layer.kernel)
    outer = answer.outer.reshape(layer.out_channels, rank, 1, 1)
    shifted = answer.bias + answer.outer @ (answer.inner @ bias)
    return (
        Convolution(to_float32(inner), None, layer.stride, layer.pads, layer.dilation),
        Convolution(to_float32(outer), to_float32(shifted)),
    )
