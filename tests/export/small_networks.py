"""Small random networks, images and samples for the tests of the exporter's core."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.model.engines.onnxruntime import open_bytes
from export.calibrate.calibration_set import calibration_of
from export.calibrate.passes import Passes
from export.calibrate.sampler import Sampler
from export.fit.data import LayerData
from export.layer import Layer
from export.methods.base import Replacement
from export.network.layers import ReducibleNetwork, network_of
from export.network.rewrite import replace_layer
from export.progress import silent
from tests.attacks.networks import model_of, network

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Geometry:
    """One convolution and the size of its input; the channels are those of one group."""

    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (1, 1, 1, 1)
    dilation: tuple[int, int] = (1, 1)
    size: tuple[int, int] = (6, 6)
    bias: bool = True
    groups: int = 1


@st.composite
def geometries(
    draw: st.DrawFn,
    channels: int = 5,
    kernels: tuple[int, ...] = (1, 2, 3, 4, 5, 7),
    groups: tuple[int, ...] = (1,),
) -> Geometry:
    """Convolutions whose kernel fits into the padded input, of any stride, padding and dilation."""

    def both(values: Sequence[int]) -> tuple[int, int]:
        return draw(st.sampled_from(values)), draw(st.sampled_from(values))

    kernel, stride, dilation = both(kernels), both((1, 2, 3)), both((1, 2))
    pads = tuple(draw(st.integers(0, 3)) for _ in range(4))
    reach = [dilation[axis] * (kernel[axis] - 1) + 1 - pads[axis] - pads[axis + 2] for axis in (0, 1)]
    sides = [draw(st.integers(max(1, least), max(1, least) + 5)) for least in reach]
    return Geometry(
        draw(st.integers(1, channels)),
        draw(st.integers(1, channels + 3)),
        kernel,
        stride,
        (pads[0], pads[1], pads[2], pads[3]),
        dilation,
        (sides[0], sides[1]),
        draw(st.booleans()),
        draw(st.sampled_from(groups)),
    )


def convolution(geometry: Geometry, seed: int = 0) -> ReducibleNetwork:
    """A network of this one convolution, named ``only``."""
    nodes, weights = _convolution(geometry, seed, "image")
    channels = geometry.groups * geometry.in_channels
    model = model_of(nodes, weights, ["N", channels, *geometry.size], list("ndhw"))
    return network_of(model, None, "a convolution")


def behind_another(geometry: Geometry, seed: int = 0) -> ReducibleNetwork:
    """The same behind a 1x1 convolution that changes nothing, whose channels it alone reads."""
    nodes, weights = _convolution(geometry, seed, "same")
    channels = geometry.groups * geometry.in_channels
    first = helper.make_node("Conv", ["image", "unit"], ["same"], "before")
    weights["unit"] = np.eye(channels, dtype=np.float32)[:, :, None, None]
    model = model_of([first, *nodes], weights, ["N", channels, *geometry.size], list("ndhw"))
    return network_of(model, None, "two convolutions")


def _convolution(geometry: Geometry, seed: int, source: str) -> tuple[list[onnx.NodeProto], dict[str, Array]]:
    random = np.random.default_rng(seed)
    shape = (geometry.groups * geometry.out_channels, geometry.in_channels, *geometry.kernel)
    weights = {"w": random.normal(0, 1 / math.sqrt(math.prod(shape[1:])), shape).astype(np.float32)}
    if geometry.bias:
        weights["b"] = random.normal(0, 1, shape[0]).astype(np.float32)
    node = helper.make_node(
        "Conv",
        [source, *weights],
        ["scores"],
        "only",
        strides=geometry.stride,
        pads=geometry.pads,
        dilations=geometry.dilation,
        group=geometry.groups,
    )
    return [node], weights


def residual(side: int = 8) -> onnx.ModelProto:
    """Two convolutions beside a shortcut, one before and one after them."""
    random = np.random.default_rng(0)
    weights = {f"w{i}": random.normal(0, 0.2, (4, 4, 3, 3)).astype(np.float32) for i in range(4)}
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["a"], "a", **pads),
        helper.make_node("Conv", ["a", "w1"], ["b"], "b", **pads),
        helper.make_node("Relu", ["b"], ["r"]),
        helper.make_node("Conv", ["r", "w2"], ["c"], "c", **pads),
        helper.make_node("Conv", ["a", "w3"], ["d"], "d", **pads),
        helper.make_node("Add", ["c", "d"], ["scores"]),
    ]
    return model_of(nodes, weights, ["N", 4, side, side], list("ndhw"))


def with_heads() -> onnx.ModelProto:
    """A chain of convolutions with a head of two more at each step, as a detector has."""
    random = np.random.default_rng(0)
    weights, nodes, heads = {}, [], []

    def add(source: str, target: str) -> None:
        weights[f"{target}_w"] = random.normal(0, 0.3, (4, 4, 3, 3)).astype(np.float32)
        nodes.append(helper.make_node("Conv", [source, f"{target}_w"], [target], target, pads=[1, 1, 1, 1]))

    source = "image"
    for step in range(4):
        add(source, f"step{step}")
        nodes.append(helper.make_node("Relu", [f"step{step}"], [f"relu{step}"]))
        add(f"relu{step}", f"head{step}")
        nodes.append(helper.make_node("Relu", [f"head{step}"], [f"inside{step}"]))
        add(f"inside{step}", f"answer{step}")
        source = f"relu{step}"
        heads.append(f"answer{step}")
    nodes.append(helper.make_node("Concat", heads, ["scores"], axis=1))
    return model_of(nodes, weights, ["N", 4, 8, 8], ["N", 16, 8, 8])


def with_branch() -> onnx.ModelProto:
    """A network whose second convolution reads the first through an If, whose branches read from outside."""
    model = network()
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(operation, ["r1"], [f"{name}_out"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, ["N", 8, "h", "w"])],
        )
        for name, operation in (("then", "Identity"), ("else", "Neg"))
    }
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "condition"))
    model.graph.node.insert(2, helper.make_node("If", ["condition"], ["chosen"], "branch", **branches))
    model.graph.node[3].input[0] = "chosen"
    return model


def random_images(count: int, shape: Sequence[int], seed: int = 0) -> list[Array]:
    """Inputs of shape (1, *shape), different ones."""
    random = np.random.default_rng(seed)
    return [random.normal(0.3, 1, (1, *shape)).astype(np.float32) for _ in range(count)]


def images_for(network: ReducibleNetwork, count: int, seed: int = 0) -> list[Array]:
    """Random inputs of the size a network was read for."""
    return random_images(count, network.shapes[network.input_name][1:], seed)


def outputs(model: onnx.ModelProto, images: Sequence[Array]) -> list[Array]:
    """Every output for every image, images first."""
    session = open_bytes(model.SerializeToString(), threads=1)
    name = session.get_inputs()[0].name
    return [output for image in images for output in session.run(None, {name: image})]


def assert_equal_outputs(
    model: onnx.ModelProto, other: onnx.ModelProto, images: Sequence[Array], tolerance: float = 1e-4
) -> None:
    """Each output differs by at most ``tolerance`` of its largest value on any image."""
    count = len(model.graph.output)
    expected, found = outputs(model, images), outputs(other, images)
    for index in range(count):
        pair = (np.concatenate(side[index::count]) for side in (expected, found))
        assert relative_difference(*pair) <= tolerance


def relative_difference(expected: Array, found: Array) -> float:
    """Largest difference over the largest expected value; 0 where all are 0."""
    assert expected.shape == found.shape
    difference = float(np.abs(expected - found).max())
    return difference / float(np.abs(expected).max()) if difference else 0.0


def count_macs(model: onnx.ModelProto, size: tuple[int, int]) -> int:
    """Multiply-adds of all Convs and Gemms, counted from the shapes of onnx alone."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    dims = copy.graph.input[0].type.tensor_type.shape.dim
    for dim, length in zip(dims, (1, dims[1].dim_value, *size), strict=True):
        dim.dim_value = length
    graph = onnx.shape_inference.infer_shapes(copy, strict_mode=True).graph
    weights = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += math.prod(shapes[node.output[0]]) * math.prod(weights[node.input[1]][1:])
        elif node.op_type == "Gemm":
            total += shapes[node.output[0]][0] * math.prod(weights[node.input[1]])
    return total


def sample_layers(network: ReducibleNetwork, images: Sequence[Array], seed: int = 0) -> dict[str, LayerData]:
    """What there is to fit each reducible layer on, in the original network, by the layer's output."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = calibration_of(images, folder).fit
        sampler = Sampler(network, inputs, seed, folder)
        passes = Passes(network, inputs, sampler, folder, threads=1, progress=silent)
        return passes.record(network, network.reducible, with_patches=True)


def with_replacement(model: onnx.ModelProto, layer: Layer, replacement: Replacement) -> onnx.ModelProto:
    """A copy of the model with a replacement in the layer's place."""
    return replace_layer(model, layer, replacement.convolutions, replacement.candidate.method)
