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

_FLOAT, _UINT8, _INT8, _INT64 = 1, 2, 3, 7  # element types [onnx.proto]
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
        precision: What it computes in: ``float32``, ``int8`` under onnxruntime, ``float16`` under ncnn.
    """

    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    output_size: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    group: int = 1
    precision: str = "float32"

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
        if self.precision == "int8":
            return InputForm("image", "tensor(float)", (1, height, width, self.in_channels))
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
        nodes, constants = self._in_int8() if self.precision == "int8" else self._in_float()
        graph = b"".join(
            [
                *(_field(1, node) for node in nodes),
                _field(2, b"trial"),
                *(_field(5, constant) for constant in constants),
                _field(11, _value("image", self.input.shape)),
                _field(12, _value("out", self.output.shape)),
            ]
        )
        return _number(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, 13))

    def _in_float(self) -> "_Graph":
        largest = _node("GlobalMaxPool", ["response" if self.convolves else "image"], ["out"])
        if not self.convolves:
            return [largest], []
        filled = [
            _node("ConstantOfShape", [f"{name}_shape"], [name], value=(_FLOAT, struct.pack("<f", _WEIGHT)))
            for name in ("w", "b")
        ]
        shapes = [self._shape_of(name) for name in ("w", "b")]
        return [*filled, self._convolution("image", ["w", "b"]), largest], shapes

    def _in_int8(self) -> "_Graph":
        """With rounding around each operator, as networks in int8 are written: engines fuse that away.

        Channels come last, as onnxruntime wants them there: to bring them there takes longer than some
        convolutions do, and within a network happens once.
        """
        constants = [_constant("step", (), _FLOAT, "f", (0.1,)), _constant("zero", (), _UINT8, "B", (0,))]
        if not self.convolves:
            slices = {"start": (0, 0), "end": (1, 1), "axes": (1, 2)}
            constants += [_constant(name, (2,), _INT64, "q", each) for name, each in slices.items()]
            nodes = [
                *_rounded("image", "image_float"),
                _node("Slice", ["image_float", *slices], ["corner"]),
                *_rounded("corner", "corner_float"),
                _node("Transpose", ["corner_float"], ["out"], ints={"perm": (0, 3, 1, 2)}),
            ]
            return nodes, constants
        nodes = [
            _node("ConstantOfShape", ["w_shape"], ["whole"], value=(_INT8, b"\1")),
            _node("DequantizeLinear", ["whole", "step", "w_zero"], ["w"]),
            _node("Transpose", ["image"], ["pixels"], ints={"perm": (0, 3, 1, 2)}),
            *_rounded("pixels", "pixels_float"),
            self._convolution("pixels_float", ["w"]),
            *_rounded("response", "response_float"),
            _node("MaxPool", ["response_float"], ["largest"], ints={"kernel_shape": self.output_size}),
            *_rounded("largest", "out"),
        ]
        return nodes, [*constants, _constant("w_zero", (), _INT8, "b", (0,)), self._shape_of("w")]

    def _shape_of(self, name: str) -> bytes:
        """The shape of the weights or biases, as a constant."""
        shape: tuple[int, ...] = (self.out_channels, self.in_channels // self.group, *self.kernel)
        shape = shape if name == "w" else shape[:1]
        return _constant(f"{name}_shape", (len(shape),), _INT64, "q", shape)

    def _convolution(self, source: str, weights: list[str]) -> bytes:
        ints = {
            "kernel_shape": self.kernel,
            "strides": self.stride,
            "dilations": self.dilation,
            "pads": self.pads,
        }
        return _node("Conv", [source, *weights], ["response"], ints=ints, group=self.group)


_Graph = tuple[list[bytes], list[bytes]]  # nodes and constants


def _rounded(source: str, target: str) -> list[bytes]:
    """Nodes that round a tensor to one of 256 levels, and make floats of it again."""
    return [
        _node("QuantizeLinear", [source, "step", "zero"], [f"{source}_rounded"]),
        _node("DequantizeLinear", [f"{source}_rounded", "step", "zero"], [target]),
    ]


def _node(
    kind: str,
    inputs: list[str],
    outputs: list[str],
    *,
    ints: dict[str, tuple[int, ...]] | None = None,
    group: int | None = None,
    value: tuple[int, bytes] | None = None,
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
        element, raw = value
        tensor = _number(1, 1) + _number(2, element) + _field(9, raw)
        attributes.append(_field(1, b"value") + _field(5, tensor) + _number(20, _ATTRIBUTE_TENSOR))
    return b"".join(names) + _field(4, kind.encode()) + b"".join(_field(5, each) for each in attributes)


def _constant(
    name: str, shape: tuple[int, ...], element: int, letter: str, values: tuple[float, ...]
) -> bytes:
    raw = struct.pack(f"<{len(values)}{letter}", *values)
    lengths = b"".join(_number(1, length) for length in shape)
    return lengths + _number(2, element) + _field(8, name.encode()) + _field(9, raw)


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
