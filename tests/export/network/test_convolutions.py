"""A Conv as a layer: its geometry and costs, whatever its attributes, and why it is left alone."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from export.layer import Layer
from export.network.convolutions import read_convolution
from export.network.layers import network_of
from export.network.tensors import tensors_of
from tests.attacks.networks import model_of, network
from tests.export.small_networks import (
    Geometry,
    convolution,
    count_macs,
    geometries,
    images_for,
    outputs,
)


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


@pytest.mark.parametrize(
    ("shape", "weight"),
    [([1, 4, 36], (2, 4, 3)), ([1, 2, 2, 6, 6], (2, 2, 1, 3, 3)), ([1, 4, 3, 4, 3], (5, 4, 2, 3, 2))],
)
def test_costs_of_a_convolution_over_other_axes(shape: list[int], weight: tuple[int, ...]) -> None:
    layer = only(reshaped(shape, weight))
    positions = [side - length + 1 for side, length in zip(shape[2:], weight[2:], strict=True)]
    assert layer.macs == int(np.prod(positions)) * int(np.prod(weight))
    assert layer.parameters == np.prod(weight)


def test_costs_of_computed_weights() -> None:
    """Their kernel is known all the same."""
    assert only(dynamic(1)).macs == network_of(network(), None, "it").layers[0].macs


@pytest.mark.parametrize("group", [0, -1, 2, 2**62])
@pytest.mark.parametrize("position", [1, 2])
def test_groups_that_the_channels_do_not_make(group: int, position: int) -> None:
    model = dynamic(position)
    model.graph.node[1].attribute.append(helper.make_attribute("group", group))
    with pytest.raises(ModelRefusedError, match=f"3 channels before layer only do not make {group} groups"):
        network_of(model, None, "it")


def test_weights_for_another_number_of_groups() -> None:
    with pytest.raises(ModelRefusedError, match="weights of layer only are 4x3x3 for each filter, not 2x3x3"):
        only(one_layer((4, 4, 3, 3), group=2))


@pytest.mark.parametrize(
    ("name", "value"), [("strides", [2]), ("dilations", [1.0, 1.0]), ("pads", [1, 1]), ("kernel_shape", [3])]
)
def test_malformed_geometry(name: str, value: list[int] | list[float]) -> None:
    """Shape inference refuses most of these, not all of them in every release."""
    model = one_layer((4, 4, 3, 3))
    layer = network_of(model, None, "it")
    model.graph.node[0].attribute.append(helper.make_attribute(name, value))
    with pytest.raises(ModelRefusedError, match=f"{name} of the Conv 'only' must be"):
        read_convolution(model.graph.node[0], tensors_of(model, layer.shapes))
