"""CP of the kernel tensor [D14]: ``1×1`` with R filters, ``kh×1`` and ``1×kw`` one by one, ``1×1`` with d.

[D14] Denton et al., Exploiting linear structure within convolutional networks, arXiv 1404.0736, who find one
outer product after the other. All together and as four convolutions: Lebedev et al., Speeding-up
convolutional neural networks using fine-tuned CP-decomposition, arXiv 1412.6553.

The kernel (d, c, kh, kw) as a sum of R products of four vectors, by alternating least squares over rising
ranks: each rank starts from the last one with random vectors added that weigh nothing at first, so the error
of the weights falls with the rank. No image is used for the fit; images measure the error.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from export.fit.data import LayerData
from export.fit.moments import Matrix, Vector
from export.fit.regression import pull_of, with_ridge
from export.layer import Convolution, Layer
from export.methods.base import Candidate, Replacement, rank_grid, thin, to_float32

SWEEPS = 15  # a rank; the next one starts from there, so higher ranks have had more
RANK_STEPS = 8  # each costs its sweeps
PULL = 1e-6  # towards the last sweep, relative: keeps nearly parallel vectors from growing without bound


class Cp:
    """The CP method: a sum of R products of four vectors as four convolutions; the rank is (R,)."""

    name = "cp"
    rank_count = 1
    needs_patches = True

    def candidates(self, data: LayerData) -> list[Candidate]:
        """A few of the ranks (R,) that are cheaper, each with its held-out error."""
        layer = data.layer
        if 1 in layer.kernel:
            return []
        by_rank = alternating_least_squares(data.weights.reshape(_shape(layer)), self._ladder(layer))
        return [self.candidate(layer, (factors.rank,), _error(data, factors)) for factors in by_rank]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """Four convolutions: ``R·c`` multiply-adds at the input's size, ``R·kh``, then ``R (kw + d)``."""
        (rank,) = ranks
        column = (layer.output_size[0], layer.input_size[1])
        convolutions = (
            layer.factor(rank, layer.in_channels, output_size=layer.input_size),
            layer.factor(rank, rank, vertical=True, output_size=column, group=rank),
            layer.factor(rank, rank, horizontal=True, group=rank),
            layer.factor(layer.out_channels, rank, bias=True),
        )
        return Candidate(self.name, ranks, convolutions, relative_error)

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Decompose W by rising ranks up to the one wanted; the bias stays, and no image is used."""
        layer = data.layer
        (rank,) = candidate.ranks
        ranks = [*(lower for lower in self._ladder(layer) if lower < rank), rank]
        *_, factors = alternating_least_squares(data.weights.reshape(_shape(layer)), ranks)
        return Replacement(
            candidate, "weights", _convolutions(layer, factors, data.bias), _error(data, factors)
        )

    def _ladder(self, layer: Layer) -> list[int]:
        largest = (layer.macs - 1) // self.candidate(layer, (1,), 0.0).macs
        return thin(rank_grid(largest, layer.out_channels), RANK_STEPS) if largest else []


@dataclass(frozen=True)
class Factors:
    """A kernel as ``W[d, c, i, j] = Σ_r outputs[d, r] inputs[c, r] vertical[i, r] horizontal[j, r]``.

    Attributes:
        outputs: (d, R).
        inputs: (c, R), columns of length 1.
        vertical: (kh, R), columns of length 1.
        horizontal: (kw, R), columns of length 1.
    """

    outputs: Matrix
    inputs: Matrix
    vertical: Matrix
    horizontal: Matrix

    @property
    def rank(self) -> int:
        """The number of products of four vectors, R."""
        return len(self.outputs.T)

    def tensor(self) -> Matrix:
        """The kernel that the factors make: (d, c, kh, kw)."""
        rest = _products(self.inputs, self.vertical, self.horizontal)
        shape = [len(factor) for factor in (self.outputs, self.inputs, self.vertical, self.horizontal)]
        return (self.outputs @ rest.T).reshape(shape)


def alternating_least_squares(kernel: Matrix, ranks: list[int]) -> Iterator[Factors]:
    """Decompose a kernel at one rank after another, each from where the last one ended.

    Minimises ``‖W - Σ_r outputs_r ∘ inputs_r ∘ vertical_r ∘ horizontal_r‖²`` by least squares for each factor
    in turn.

    Args:
        kernel: (d, c, kh, kw).
        ranks: Rising.

    Yields:
        The factors of each rank.
    """
    random = np.random.default_rng(0)  # one seed for all, so that the same weights give the same factors
    factors = Factors(*(np.zeros((side, 0)) for side in kernel.shape))
    for rank in ranks:
        more = [random.standard_normal((side, rank - factors.rank)) for side in kernel.shape]
        factors = Factors(
            np.hstack([factors.outputs, np.zeros_like(more[0])]),
            np.hstack([factors.inputs, _unit(more[1])]),
            np.hstack([factors.vertical, _unit(more[2])]),
            np.hstack([factors.horizontal, _unit(more[3])]),
        )
        for _ in range(SWEEPS):
            factors = _sweep(kernel, factors)
        yield factors


def _sweep(kernel: Matrix, factors: Factors) -> Factors:
    """Each factor by least squares in turn; the outputs keep the scale."""
    inputs, vertical, horizontal = factors.inputs, factors.vertical, factors.horizontal
    flat = kernel.reshape(len(kernel), -1)
    products = _products(inputs, vertical, horizontal)
    outputs = _solve(flat @ products, _gram(inputs, vertical, horizontal), factors.outputs)
    # Summed over the outputs once, and not for each of the other factors anew.
    seen = (outputs.T @ flat).reshape(-1, *kernel.shape[1:])
    target = np.einsum("rchw,hr,wr->cr", seen, vertical, horizontal, optimize=True)
    inputs = _solve(target, _gram(outputs, vertical, horizontal), inputs)
    plane = np.einsum("rchw,cr->rhw", seen, inputs, optimize=True)
    target = np.einsum("rhw,wr->hr", plane, horizontal)
    vertical = _solve(target, _gram(outputs, inputs, horizontal), vertical)
    target = np.einsum("rhw,hr->wr", plane, vertical)
    horizontal = _solve(target, _gram(outputs, inputs, vertical), horizontal)
    lengths = [np.linalg.norm(factor, axis=0) for factor in (inputs, vertical, horizontal)]
    scaled = outputs * np.prod(lengths, axis=0)
    return Factors(scaled, _unit(inputs), _unit(vertical), _unit(horizontal))


def _solve(target: Matrix, gram: Matrix, last: Matrix) -> Matrix:
    """The least-squares factor, pulled towards the last one: (n, R)."""
    target = target + pull_of(gram, PULL) * last
    return np.asarray(np.linalg.solve(with_ridge(gram, PULL), target.T).T, np.float64)


def _gram(*factors: Matrix) -> Matrix:
    """Inner products of the R products of vectors: (R, R)."""
    gram: Matrix = np.prod([factor.T @ factor for factor in factors], axis=0)
    return gram


def _products(inputs: Matrix, vertical: Matrix, horizontal: Matrix) -> Matrix:
    """The R products of vectors, each as a column: (c·kh·kw, R)."""
    products: Matrix = np.einsum("cr,hr,wr->chwr", inputs, vertical, horizontal)
    return products.reshape(-1, products.shape[-1])


def _unit(factor: Matrix) -> Matrix:
    """Columns of length 1; those of length 0 stay."""
    norms = np.linalg.norm(factor, axis=0)
    return factor / np.where(norms > 0, norms, 1.0)


def _shape(layer: Layer) -> tuple[int, int, int, int]:
    return layer.out_channels, layer.in_channels, *layer.kernel


def _error(data: LayerData, factors: Factors) -> float:
    return data.relative_error(factors.tensor().reshape(data.weights.shape), data.bias)


def _convolutions(layer: Layer, factors: Factors, bias: Vector) -> tuple[Convolution, ...]:
    rank = factors.rank
    top, left, bottom, right = layer.pads
    return (
        Convolution(to_float32(factors.inputs.T[:, :, None, None]), None),
        Convolution(
            to_float32(factors.vertical.T[:, None, :, None]),
            None,
            (layer.stride[0], 1),
            (top, 0, bottom, 0),
            (layer.dilation[0], 1),
            rank,
        ),
        Convolution(
            to_float32(factors.horizontal.T[:, None, None, :]),
            None,
            (1, layer.stride[1]),
            (0, left, 0, right),
            (1, layer.dilation[1]),
            rank,
        ),
        Convolution(to_float32(factors.outputs[:, :, None, None]), to_float32(bias)),
    )
