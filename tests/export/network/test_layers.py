"""A graph as layers: geometry, costs, and why a layer is left alone."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import InputError, ModelRefusedError
from export.layer import Layer
from export.network.layers import ReducibleNetwork, network_of, read_network
from export.network.source import read_source
from tests.attacks.networks import model_of, network
from tests.export.small_networks import (
    Geometry,
    convolution,
    count_macs,
    geometries,
    images_for,
    outputs,
)

# name: layers, convolutions that can be reduced, multiply-adds of all convolutions
ASSETS = {
    "facemask_ssd": (28, 28, 759_223_296),
    "gtsrb_cnn": (6, 4, 17_312_128),
    "resnet18_imagenette": (16, 15, 1_402_519_552),
    "squeezenet_imagenet": (26, 26, 418_467_520),
    "vgg19_caltech101": (9, 8, 5_706_547_200),
    "yolov5n_coco": (60, 60, 558_515_200),
}
ROUNDED_MACS = {
    "facemask_ssd": 0.76e9,
    "gtsrb_cnn": 17e6,
    "resnet18_imagenette": 1.4e9,
    "squeezenet_imagenet": 0.42e9,
    "vgg19_caltech101": 5.7e9,
    "yolov5n_coco": 0.56e9,
}


@pytest.mark.assets
@pytest.mark.parametrize("name", ASSETS)
def test_trained_networks(name: str, assets: Path) -> None:
    model = assets / "models" / f"{name}.onnx"
    size = tuple(json.loads(model.with_suffix(".json").read_text())["input"]["size"])
    found = read_network(read_source(model), size)
    macs = sum(layer.macs for layer in found.layers if layer.op_type == "Conv")
    reducible = [layer.name for layer in found.reducible if layer.op_type == "Conv"]
    assert (len(found.layers), len(reducible), macs) == ASSETS[name]
    assert macs == pytest.approx(ROUNDED_MACS[name], rel=0.03)
    assert found.macs == count_macs(found.model, size)
    nodes = [node for node in found.model.graph.node if node.op_type in ("Conv", "Gemm")]
    weights = {tensor.name: int(np.prod(tensor.dims)) for tensor in found.model.graph.initializer}
    assert found.parameters == sum(weights[name] for node in nodes for name in node.input[1:])


@settings(deadline=None, max_examples=40)
@given(geometries())
def test_geometry_and_cost_of_any_convolution(geometry: Geometry) -> None:
    found = convolution(geometry)
    (layer,) = found.layers
    (response,) = outputs(found.model, images_for(found, 1))
    assert (layer.out_channels, *layer.output_size) == response.shape[1:]
    assert (layer.in_channels, layer.input_size) == (geometry.in_channels, geometry.size)
    assert (layer.kernel, layer.stride) == (geometry.kernel, geometry.stride)
    assert (layer.pads, layer.dilation) == (geometry.pads, geometry.dilation)
    assert layer.patch_length == geometry.in_channels * geometry.kernel[0] * geometry.kernel[1]
    assert layer.macs == count_macs(found.model, geometry.size)
    assert layer.parameters == geometry.out_channels * (layer.patch_length + geometry.bias)


def one_layer(
    weight: tuple[int, ...],
    *,
    image: tuple[int | str, ...] = ("N", 4, 9, 8),
    dtype: type = np.float32,
    **attributes: object,
) -> onnx.ModelProto:
    """A single Conv, ``only``, on an image of any number of axes."""
    node = helper.make_node("Conv", ["image", "w"], ["scores"], "only", **attributes)
    model = model_of([node], {"w": np.ones(weight, dtype)}, list(image), list("ndhw"))
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.elem_type = kind
    return model


def only(model: onnx.ModelProto, size: tuple[int, int] | None = None) -> Layer:
    """The layer named ``only``."""
    return next(layer for layer in network_of(model, size, "it").layers if layer.name == "only")


def reshaped(shape: list[int], weight: tuple[int, ...]) -> onnx.ModelProto:
    """A Conv of another number of axes behind a Reshape."""
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["r"], "reshape"),
        helper.make_node("Conv", ["r", "w"], ["scores"], "only"),
    ]
    weights = {"w": np.ones(weight, np.float32), "shape": np.array(shape)}
    return model_of(nodes, weights, [1, 4, 6, 6], list("nd" + "hwl"[: len(shape) - 2]))


def dynamic(position: int) -> onnx.ModelProto:
    """``first`` computes its weight (1) or its bias (2)."""
    model = network()
    name = model.graph.node[0].input[position]
    model.graph.node.insert(0, helper.make_node("Neg", [name], ["computed"], "negate"))
    model.graph.node[1].input[position] = "computed"
    model.graph.node[1].name = "only"
    return model


def shared() -> onnx.ModelProto:
    weight = {"w": np.ones((4, 4, 3, 3), np.float32)}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], "only"),
        helper.make_node("Conv", ["c", "w"], ["scores"], "other"),
    ]
    return model_of(nodes, weight, [1, 4, 9, 9], list("ndhw"))


def shared_with_a_branch() -> onnx.ModelProto:
    """The weight is read inside an If, too."""
    model = one_layer((4, 4, 3, 3))
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node("ReduceMax", ["w"], [f"{name}_out"], keepdims=0)],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [])],
        )
        for name in ("then", "else")
    }
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.append(helper.make_node("If", ["yes"], ["largest"], "if", **branches))
    model.graph.output.append(helper.make_tensor_value_info("largest", TensorProto.FLOAT, []))
    return model


REASONS = {
    "dynamic weight: computed by the network": dynamic(1),
    "dynamic bias: computed by the network": dynamic(2),
    "shared weight: another layer uses it too": shared(),
    "depthwise": one_layer((8, 1, 3, 3), group=4),
    "a convolution over 1 axes, not 2": reshaped([1, 4, 36], (2, 4, 3)),
    "a convolution over 3 axes, not 2": reshaped([1, 2, 2, 6, 6], (2, 2, 1, 3, 3)),
    "weights are double, not float": one_layer((4, 4, 3, 3), dtype=np.float64),
    "weights are float16, not float": one_layer((4, 4, 3, 3), dtype=np.float16),
}


@pytest.mark.parametrize("reason", REASONS)
def test_why_a_layer_is_left_alone(reason: str) -> None:
    onnx.checker.check_model(REASONS[reason], full_check=True)
    assert only(REASONS[reason]).reason == reason


def test_weight_read_inside_a_branch_is_shared() -> None:
    onnx.checker.check_model(shared_with_a_branch(), full_check=True)
    assert only(shared_with_a_branch()).reason == "shared weight: another layer uses it too"


def test_both_users_of_a_shared_weight_are_left_alone() -> None:
    assert network_of(shared(), None, "it").reducible == ()


def test_bias_may_be_shared() -> None:
    model = network()
    model.graph.node.append(helper.make_node("Neg", ["b2"], ["negative"], "negate"))
    assert [layer.reason for layer in network_of(model, None, "it").layers[:2]] == [None, None]


@pytest.mark.parametrize("transposed", [False, True])
def test_fully_connected_layer(*, transposed: bool) -> None:
    nodes = [
        helper.make_node("Flatten", ["image"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["scores"], "dense", transB=int(transposed)),
    ]
    shape = (5, 48) if transposed else (48, 5)
    weights = {"w": np.ones(shape, np.float32), "b": np.ones(5, np.float32)}
    (layer,) = network_of(model_of(nodes, weights, [1, 3, 4, 4], None), None, "it").layers
    assert (layer.op_type, layer.in_channels, layer.out_channels) == ("Gemm", 48, 5)
    assert (layer.macs, layer.parameters) == (240, 245)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]),
    st.tuples(*[st.integers(1, 4)] * 2),
    st.tuples(*[st.integers(1, 3)] * 2),
    st.tuples(*[st.integers(7, 10)] * 2),
)
def test_automatic_padding_in_figures(
    mode: str, kernel: tuple[int, int], stride: tuple[int, int], size: tuple[int, int]
) -> None:
    automatic = one_layer((3, 4, *kernel), image=("N", 4, *size), auto_pad=mode, strides=stride)
    layer = only(automatic)
    given_in_figures = one_layer((3, 4, *kernel), image=("N", 4, *size), pads=layer.pads, strides=stride)
    images = images_for(network_of(automatic, None, "it"), 1)
    assert np.array_equal(*outputs(automatic, images), *outputs(given_in_figures, images))


def with_free_size() -> onnx.ModelProto:
    return network(size="side")


def test_free_size_needs_one() -> None:
    with pytest.raises(InputError, match="leaves its input size free: give --input-size HxW"):
        network_of(with_free_size(), None, "it")


def test_free_size_takes_the_one_given() -> None:
    found = network_of(with_free_size(), (20, 11), "it")
    assert [layer.output_size for layer in found.layers] == [(20, 11), (20, 11), (1, 1)]
    assert found.input_size == (20, 11)
    assert found.shapes["r1"] == (1, 8, 20, 11)


def test_fixed_size_keeps_its_own() -> None:
    assert network_of(network(), None, "it").input_size == (16, 16)
    with pytest.raises(InputError, match="takes 16x16 images only, not 20x16"):
        network_of(network(), (20, 16), "it")


def test_sizes_recorded_under_another_name_do_not_stand_in_the_way() -> None:
    model = with_free_size()
    model.graph.value_info.append(
        helper.make_tensor_value_info("r1", TensorProto.FLOAT, ["N", 8, "rows", "columns"])
    )
    assert network_of(model, (12, 12), "it").shapes["r1"] == (1, 8, 12, 12)


def test_size_that_does_not_fit_the_network() -> None:
    model = with_free_size()
    model.graph.node[4].CopyFrom(helper.make_node("AveragePool", ["r2"], ["p"], "pool", kernel_shape=[4, 4]))
    with pytest.raises(InputError, match="does not work with 12x12 images"):
        network_of(model, (12, 12), "it")


def test_shape_that_depends_on_the_values_of_the_image() -> None:
    nodes = [
        helper.make_node("NonZero", ["image"], ["where"]),
        helper.make_node("Cast", ["where"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["numbers", "axes"], ["x"]),
        helper.make_node("Conv", ["x", "w"], ["scores"], "only"),
    ]
    weights = {"w": np.ones((2, 4, 1, 3), np.float32), "axes": np.array([0, 2])}
    with pytest.raises(InputError, match="the shape at layer only cannot be known"):
        network_of(model_of(nodes, weights, [1, 3, 8, 8], None), None, "it")


def test_several_inputs() -> None:
    model = network()
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    with pytest.raises(ModelRefusedError, match="has 2 inputs"):
        network_of(model, None, "it")


def test_input_that_is_no_image() -> None:
    node = helper.make_node("Relu", ["image"], ["scores"])
    with pytest.raises(ModelRefusedError, match="has 2 dimensions"):
        network_of(model_of([node], {}, ["N", 8], None), None, "it")


def test_nothing_to_reduce() -> None:
    node = helper.make_node("Relu", ["image"], ["scores"])
    with pytest.raises(ModelRefusedError, match="no Conv and no Gemm"):
        network_of(model_of([node], {}, ["N", 3, 8, 8], None), None, "it")


def test_layer_without_a_name_goes_by_its_output() -> None:
    model = network()
    model.graph.node[2].name = ""
    found = network_of(model, None, "it")
    assert [layer.name for layer in found.layers] == ["first", "c2", "classifier"]


def test_tensors_known_to_be_float() -> None:
    model = network()
    model.graph.node.append(helper.make_node("Shape", ["r1"], ["sizes"]))
    found: ReducibleNetwork = network_of(model, None, "it")
    assert "r1" in found.float_tensors
    assert "sizes" not in found.float_tensors
