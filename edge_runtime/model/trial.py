"""Networks of a single convolution, made to be timed: what one costs on a machine depends on its shape alone.

The largest value of each channel is all that is handed out: to hand out every value takes longer than some
convolutions do.

They are written here, without onnx, for the machine that times them may be a Pi. Weights do not matter to
time and are all alike; onnxruntime is told so in a few bytes and fills them in when it loads.
"""

import struct
from dataclasses import dataclass

from edge_runtime.model.input_form import InputForm
from edge_runtime.model.network import OutputForm

_FLOAT, _INT64 = 1, 7  # element types [onnx.proto]
_ATTRIBUTE_TENSOR, _ATTRIBUTE_INT, _ATTRIBUTE_INTS = 4, 2, 7
_WEIGHT = 0.01


@dataclass(frozen=True)
class Trial:
    """A convolution to be timed; with a kernel of (0, 0) only what stands around one.

    Attributes:
        in_channels: Channels of its input.
        out_channels: Filters.
        kernel: Height and width.
        output_size: Height and width of what it writes.
        stride: Vertical and horizontal.
        dilation: Vertical and horizontal.
        group: Number of groups.
    """

    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    output_size: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1

    @property
    def weights(self) -> int:
        """Number of its weights."""
        return self.out_channels * (self.in_channels // self.group) * self.kernel[0] * self.kernel[1]

    @property
    def convolves(self) -> bool:
        """Whether it is a convolution, and not only what stands around one."""
        return self.kernel != (0, 0)

    @property
    def input(self) -> InputForm:
        """Its input."""
        height, width = (
            (size - 1) * stride + 1 for size, stride in zip(self.output_size, self.stride, strict=True)
        )
        return InputForm("image", "tensor(float)", (1, self.in_channels, height, width))

    @property
    def output(self) -> OutputForm:
        """Its output."""
        return OutputForm("out", "tensor(float)", (1, self.out_channels, 1, 1))

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right: as many as leave a convolution of stride 1 its size."""
        reach = [each * max(side - 1, 0) for each, side in zip(self.dilation, self.kernel, strict=True)]
        return reach[0] // 2, reach[1] // 2, reach[0] - reach[0] // 2, reach[1] - reach[1] // 2

    def ncnn_param(self) -> str:
        """The layers, in the text format of ncnn's ``.param`` files; input ``in0``, output ``out0``."""
        largest = "Pooling largest 1 1 {} out0 0=0 4=1\n"
        if not self.convolves:
            return "7767517\n2 2\nInput in0 0 1 in0\n" + largest.format("in0")
        (top, left, bottom, right), (height, width) = self.pads, self.kernel
        numbers = {
            0: self.out_channels,
            1: width,
            11: height,
            2: self.dilation[1],
            12: self.dilation[0],
            3: self.stride[1],
            13: self.stride[0],
            4: left,
            14: top,
            15: right,
            16: bottom,
            5: 1,
            6: self.weights,
        }
        kind = "Convolution"
        if self.group > 1:
            kind, numbers[7] = "ConvolutionDepthWise", self.group
        values = " ".join(f"{key}={value}" for key, value in numbers.items())
        convolution = f"{kind} conv 1 1 in0 1 {values}\n"
        return "7767517\n3 3\nInput in0 0 1 in0\n" + convolution + largest.format("1")

    def ncnn_weights(self) -> bytes:
        """The weights that go with ``ncnn_param``."""
        if not self.convolves:
            return b""
        value = struct.pack("<f", _WEIGHT)
        return bytes(4) + value * (self.weights + self.out_channels)

    def onnx(self) -> bytes:
        """The network as an ONNX file."""
        values = [_value("image", self.input.shape), _value("out", self.output.shape)]
        if self.convolves:
            shape = (self.out_channels, self.in_channels // self.group, *self.kernel)
            nodes = [
                _node("ConstantOfShape", [name], [name[0]], value=_WEIGHT) for name in ("w_shape", "b_shape")
            ]
            nodes.append(
                _node(
                    "Conv",
                    ["image", "w", "b"],
                    ["response"],
                    ints={
                        "kernel_shape": self.kernel,
                        "strides": self.stride,
                        "dilations": self.dilation,
                        "pads": self.pads,
                    },
                    group=self.group,
                )
            )
            constants = [_constant("w_shape", shape), _constant("b_shape", (self.out_channels,))]
        else:
            nodes, constants = [], []
        response = "response" if self.convolves else "image"
        nodes.append(_node("GlobalMaxPool", [response], ["out"]))
        graph = b"".join(
            [
                *(_field(1, node) for node in nodes),
                _field(2, b"trial"),
                *(_field(5, constant) for constant in constants),
                _field(11, values[0]),
                _field(12, values[1]),
            ]
        )
        return _number(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, 13))


def _node(
    kind: str,
    inputs: list[str],
    outputs: list[str],
    *,
    ints: dict[str, tuple[int, ...]] | None = None,
    group: int | None = None,
    value: float | None = None,
) -> bytes:
    names = [_field(1, name.encode()) for name in inputs] + [_field(2, name.encode()) for name in outputs]
    attributes = [
        _field(1, name.encode())
        + b"".join(_number(8, each) for each in numbers)
        + _number(20, _ATTRIBUTE_INTS)
        for name, numbers in (ints or {}).items()
    ]
    if group is not None:
        attributes.append(_field(1, b"group") + _number(3, group) + _number(20, _ATTRIBUTE_INT))
    if value is not None:
        tensor = _number(1, 1) + _number(2, _FLOAT) + _field(9, struct.pack("<f", value))
        attributes.append(_field(1, b"value") + _field(5, tensor) + _number(20, _ATTRIBUTE_TENSOR))
    return b"".join(names) + _field(4, kind.encode()) + b"".join(_field(5, each) for each in attributes)


def _constant(name: str, values: tuple[int, ...]) -> bytes:
    raw = struct.pack(f"<{len(values)}q", *values)
    return _number(1, len(values)) + _number(2, _INT64) + _field(8, name.encode()) + _field(9, raw)


def _value(name: str, shape: tuple[int | str | None, ...]) -> bytes:
    lengths = b"".join(_field(1, _number(1, int(length or 0))) for length in shape)
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, _FLOAT) + _field(2, lengths)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
