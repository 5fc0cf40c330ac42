"""The ground everything stands on: a layer of a network, and the convolutions that may stand for it."""

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

BYTES_OF = {"float32": 4}  # of a weight, by the precision it is stored in


class Costed(Protocol):
    """Whatever has a cost: a convolution by its shape, an operator that is only counted."""

    @property
    def macs(self) -> int:
        """Multiply-adds for one image."""

    @property
    def parameters(self) -> int:
        """Weights and biases."""

    @property
    def stored_bytes(self) -> int:
        """Least size of the weights and biases on disk."""


@dataclass(frozen=True)
class ConvolutionShape:
    """All that decides what one convolution costs: multiply-adds, weights, bytes follow from it.

    Fully connected layers are 1x1 convolutions of as many positions as their input has rows.

    Attributes:
        out_channels: Filters.
        in_channels: Channels of the whole input, not of one group.
        kernel: Height and width.
        output_size: Height and width of what it writes.
        bias: Whether it has one.
        stride: Vertical and horizontal.
        dilation: Vertical and horizontal.
        group: Number of groups.
        connections: Weights that are not zero, where many are and only those are stored; None where all are
            stored. A dense kernel multiplies by zeros too, so multiply-adds do not depend on it.
        precision: What its weights are stored as: a key of ``BYTES_OF``.
    """

    out_channels: int
    in_channels: int
    kernel: tuple[int, int]
    output_size: tuple[int, int]
    bias: bool
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1
    connections: int | None = None
    precision: str = "float32"

    @property
    def weights(self) -> int:
        """Number of weights, zeros included, without the biases."""
        return self.out_channels * (self.in_channels // self.group) * self.kernel[0] * self.kernel[1]

    @property
    def parameters(self) -> int:
        """Number of weights and biases, zeros included."""
        return self.weights + (self.out_channels if self.bias else 0)

    @property
    def macs(self) -> int:
        """Multiply-adds that the convolution takes for one image."""
        return self.output_size[0] * self.output_size[1] * self.weights

    @property
    def stored_bytes(self) -> int:
        """Least size on disk in bytes; where zeros are left out, a bit for each weight says which."""
        size = BYTES_OF[self.precision]
        if self.connections is None:
            return size * self.parameters
        return -(-self.weights // 8) + size * (self.connections + self.parameters - self.weights)

    def with_outputs(self, count: int) -> Self:
        """The shape with only ``count`` of its filters: the others are left out, for no reader needs them.

        Of connections stored sparsely as many are taken to go in proportion; which ones is not known.
        """
        left = None if self.connections is None else self.connections * count // self.out_channels
        return replace(self, out_channels=count, connections=left)


@dataclass(frozen=True)
class Layer:
    """One Conv, or one fully connected layer: a Gemm, or a MatMul by a constant matrix.

    A fully connected layer is a 1x1 convolution of as many positions as its input has rows.

    Attributes:
        name: The node's name, or its output's where it has none.
        op_type: ``Conv``, ``Gemm`` or ``MatMul``.
        input: Name of the tensor it reads.
        output: Name of the tensor it writes: the response.
        weight: Name of its weights; empty where they are computed by the network.
        bias: Name of its bias; empty where there is none.
        out_channels: ``d`` of the method.
        in_channels: ``c`` of the method, of the whole input, not of one group.
        kernel: Height and width.
        stride: Vertical and horizontal.
        pads: Top, left, bottom, right.
        dilation: Vertical and horizontal.
        group: Number of groups.
        input_size: Height and width of the input.
        output_size: Height and width of the output.
        transposed: Whether the weights are stored as (c, d).
        source: Output of the earlier convolution that only this layer reads; empty if there is none.
        reason: Why it cannot be reduced; None if it can.
    """

    name: str
    op_type: str
    input: str
    output: str
    weight: str
    bias: str
    out_channels: int
    in_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilation: tuple[int, int]
    group: int
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    transposed: bool = False
    source: str = ""
    reason: str | None = None

    @property
    def fully_connected(self) -> bool:
        """Whether it is a Gemm or a MatMul, and no Conv."""
        return self.op_type != "Conv"

    @property
    def patch_length(self) -> int:
        """Length of one input patch: ``c * kh * kw`` (of one group)."""
        return self.in_channels // self.group * self.kernel[0] * self.kernel[1]

    @property
    def positions(self) -> int:
        """Number of positions of the output, at each of which it answers with ``d`` values."""
        return self.output_size[0] * self.output_size[1]

    @property
    def shape(self) -> ConvolutionShape:
        """The layer as a convolution's shape, which decides what it costs."""
        return ConvolutionShape(
            out_channels=self.out_channels,
            in_channels=self.in_channels,
            kernel=self.kernel,
            output_size=self.output_size,
            bias=bool(self.bias),
            stride=self.stride,
            dilation=self.dilation,
            group=self.group,
        )

    @property
    def macs(self) -> int:
        """Multiply-adds that the layer takes for one image."""
        return self.shape.macs

    @property
    def parameters(self) -> int:
        """Number of weights and biases of the layer."""
        return self.shape.parameters

    def factor(
        self,
        out_channels: int,
        in_channels: int,
        *,
        bias: bool = False,
        vertical: bool = False,
        horizontal: bool = False,
        output_size: tuple[int, int] | None = None,
        group: int = 1,
    ) -> ConvolutionShape:
        """The shape of a convolution that takes over a part of this one's work.

        Args:
            out_channels: Its filters.
            in_channels: Channels of its whole input.
            bias: Whether it has one.
            vertical: Whether it does the vertical part: the kernel's height, its stride and dilation.
            horizontal: Whether it does the horizontal part.
            output_size: Height and width of what it writes; this layer's if None.
            group: Number of groups.
        """
        kernel, stride, dilation = (
            (own[0] if vertical else 1, own[1] if horizontal else 1)
            for own in (self.kernel, self.stride, self.dilation)
        )
        return ConvolutionShape(
            out_channels,
            in_channels,
            kernel,
            output_size or self.output_size,
            bias,
            stride,
            dilation,
            group,
        )


@dataclass(frozen=True)
class CountedNode:
    """An operator that multiplies and always stays as it is: all that is known of it is what it costs.

    Attributes:
        name: The node's name, or its output's where it has none.
        output: Name of the tensor it writes; of a node in the body of an If, a Loop or a Scan what that
            writes.
        op_type: The operator: ``ConvTranspose``; of another domain than the standard one with that:
            ``com.microsoft.FusedConv``.
        macs: Multiply-adds for one image, all rounds of a loop together.
        parameters: Number of constants it reads: weights and biases.
        stored_bytes: Size of those on disk.
        reason: Why it stays as it is, and how often it was counted where that is not once.
    """

    name: str
    output: str
    op_type: str
    macs: int
    parameters: int
    stored_bytes: int
    reason: str


@dataclass(frozen=True)
class Convolution:
    """One convolution of a replacement.

    Attributes:
        weights: (out, in / group, kh, kw) float32.
        bias: (out,) float32, or None.
        stride: Vertical and horizontal.
        pads: Top, left, bottom, right.
        dilation: Vertical and horizontal.
        group: Number of groups.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1
