"""The ground everything stands on: a layer of a network, and the convolutions that may stand for it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BYTES_OF_A_WEIGHT = 4


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
        """Whether it is no convolution."""
        return self.op_type != "Conv"

    @property
    def patch_length(self) -> int:
        """Length of one input patch: ``c * kh * kw`` (of one group)."""
        return self.in_channels // self.group * self.kernel[0] * self.kernel[1]

    @property
    def positions(self) -> int:
        """Number of output positions."""
        return self.output_size[0] * self.output_size[1]

    @property
    def macs(self) -> int:
        """Multiply-adds for one image."""
        return self.positions * self.out_channels * self.patch_length

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return self.out_channels * self.patch_length + (self.out_channels if self.bias else 0)

    @property
    def storage_bytes(self) -> int:
        """Size of those on disk."""
        return BYTES_OF_A_WEIGHT * self.parameters


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
