"""Tucker-2 of the kernel tensor: ``1×1`` with s filters, ``k×k`` with r, ``1×1`` with d.

[D14] Denton et al., Exploiting linear structure within convolutional networks, arXiv 1404.0736, by one SVD
after another; Kim et al., Compression of deep convolutional neural networks for fast and low power mobile
applications, arXiv 1511.06530, as three convolutions.

The kernel (d, c, kh, kw) is projected on r directions of its outputs and s of its inputs. Higher-order SVD
takes the leading singular vectors of both unfoldings; orthogonal iteration then improves one side for the
other, which never raises the error of the weights. No image is used for the fit; images measure the error.
"""

from dataclasses import dataclass

import numpy as np

from export.fit.data import LayerData
from export.fit.moments import Matrix
from export.fit.solvers import eigenvectors
from export.layer import Convolution, Layer
from export.methods.base import Candidate, Replacement, rank_grid, thin, to_float32

ITERATIONS = 8
RANK_STEPS = 7  # squared: a grid of (s, r)


class Tucker:
    """The Tucker-2 method: a core between two pointwise factors; ranks are (s, r)."""

    name = "tucker"
    rank_count = 2
    needs_patches = True

    def candidates(self, data: LayerData) -> list[Candidate]:
        """A grid of the cheaper ranks (s, r), each with the held-out error before orthogonal iteration."""
        layer = data.layer
        if layer.kernel == (1, 1):
            return []
        start = higher_order_svd(kernel_tensor(data))
        grid = [
            self.candidate(layer, (inputs, outputs), 0.0)
            for inputs in thin(rank_grid(layer.in_channels, layer.in_channels), RANK_STEPS)
            for outputs in thin(rank_grid(layer.out_channels, layer.out_channels), RANK_STEPS)
        ]
        return [
            self.candidate(layer, possible.ranks, _error(data, start.cut(possible.ranks)))
            for possible in grid
            if possible.macs < layer.macs
        ]

    def candidate(self, layer: Layer, ranks: tuple[int, ...], relative_error: float) -> Candidate:
        """Three convolutions: ``s·c`` multiply-adds at the input's size, then ``r (s·kh·kw + d)``."""
        inputs, outputs = ranks
        convolutions = (
            layer.factor(inputs, layer.in_channels, output_size=layer.input_size),
            layer.factor(outputs, inputs, vertical=True, horizontal=True),
            layer.factor(layer.out_channels, outputs, bias=True),
        )
        return Candidate(self.name, ranks, convolutions, relative_error)

    def fit(self, data: LayerData, candidate: Candidate) -> Replacement:
        """Find both bases by orthogonal iteration, the core by projection; the bias stays."""
        layer = data.layer
        kernel = kernel_tensor(data)
        bases = orthogonal_iteration(kernel, higher_order_svd(kernel).cut(candidate.ranks))
        core = bases.core(kernel).reshape(bases.outputs.shape[1], bases.inputs.shape[1], *layer.kernel)
        convolutions = (
            Convolution(to_float32(bases.inputs.T[:, :, None, None]), None),
            Convolution(to_float32(core), None, layer.stride, layer.pads, layer.dilation),
            Convolution(to_float32(bases.outputs[:, :, None, None]), to_float32(data.bias)),
        )
        return Replacement(candidate, "weights", convolutions, _error(data, bases))


@dataclass(frozen=True)
class Bases:
    """Orthonormal bases of a kernel's outputs and inputs.

    Attributes:
        outputs: (d, r), columns, the most important first.
        inputs: (c, s), columns, the most important first.
    """

    outputs: Matrix
    inputs: Matrix

    def cut(self, ranks: tuple[int, ...]) -> "Bases":
        """The bases without their less important directions; ranks are (s, r), of inputs and outputs."""
        return Bases(self.outputs[:, : ranks[1]], self.inputs[:, : ranks[0]])

    def core(self, kernel: Matrix) -> Matrix:
        """A kernel (d, c, q) in these bases: (r, s, q)."""
        core: Matrix = np.einsum("dr,dcq,cs->rsq", self.outputs, kernel, self.inputs, optimize=True)
        return core

    def project(self, kernel: Matrix) -> Matrix:
        """What these bases keep of a kernel (d, c, q): (d, c, q)."""
        core = self.core(kernel)
        kept: Matrix = np.einsum("dr,rsq,cs->dcq", self.outputs, core, self.inputs, optimize=True)
        return kept


def kernel_tensor(data: LayerData) -> Matrix:
    """A layer's weights as a tensor (d, c, kh·kw)."""
    return data.weights.reshape(data.layer.out_channels, data.layer.in_channels, -1)


def higher_order_svd(kernel: Matrix) -> Bases:
    """Complete bases of the outputs and inputs of a kernel (d, c, q), by its singular vectors each way."""
    return Bases(_basis(kernel), _basis(kernel.transpose(1, 0, 2)))


def orthogonal_iteration(kernel: Matrix, bases: Bases) -> Bases:
    """Bases that keep more of a kernel (d, c, q): each improved in turn for the other one."""
    outputs, inputs = bases.outputs, bases.inputs
    for _ in range(ITERATIONS):
        outputs = _basis(np.einsum("dcq,cs->dsq", kernel, inputs, optimize=True))[:, : outputs.shape[1]]
        inputs = _basis(np.einsum("dcq,dr->crq", kernel, outputs, optimize=True))[:, : inputs.shape[1]]
    return Bases(outputs, inputs)


def _basis(tensor: Matrix) -> Matrix:
    """Left singular vectors of a tensor's first unfolding."""
    unfolded = tensor.reshape(len(tensor), -1)
    return eigenvectors(unfolded @ unfolded.T)


def _error(data: LayerData, bases: Bases) -> float:
    weights = bases.project(kernel_tensor(data)).reshape(data.weights.shape)
    return data.relative_error(weights, data.bias)
