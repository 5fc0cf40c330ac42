"""A replacement in the graph: its neighbours notice nothing, and whatever is not replaced stays as it was."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.layer import Convolution, Layer
from export.network.layers import ReducibleNetwork, network_of
from export.network.rewrite import replace_layer
from tests.attacks.networks import network
from tests.export.small_networks import (
    Geometry,
    assert_equal_outputs,
    convolution,
    geometries,
    images_for,
    random_images,
    residual,
    with_branch,
)


def in_two(found: ReducibleNetwork, layer: Layer) -> tuple[Convolution, ...]:
    """The layer itself without its bias, then a 1x1 convolution that changes nothing but adds it."""
    weights = found.array(layer.weight).reshape(layer.out_channels, -1, *layer.kernel)
    unit = np.eye(layer.out_channels, dtype=np.float32)[:, :, None, None]
    bias = found.array(layer.bias) if layer.bias else None
    return (
        Convolution(weights, None, layer.stride, layer.pads, layer.dilation),
        Convolution(unit, bias),
    )


def replaced(model: onnx.ModelProto, *names: str) -> onnx.ModelProto:
    """The model with layers in two, checked."""
    found = network_of(model, None, "it")
    by_name = {layer.name: layer for layer in found.layers}
    for name in names:
        model = replace_layer(model, by_name[name], in_two(found, by_name[name]), "channel")
    onnx.checker.check_model(model, full_check=True)
    return model


def assert_same_function(model: onnx.ModelProto, *names: str) -> onnx.ModelProto:
    """Replace layers; the outputs and their names stay. Returns the new model."""
    result = replaced(model, *names)
    assert result.graph.output == model.graph.output
    assert_equal_outputs(model, result, images_for(network_of(model, None, "it"), 2), tolerance=1e-5)
    return result


def names_of(items: Sequence[onnx.TensorProto | onnx.NodeProto | onnx.ValueInfoProto]) -> list[str]:
    return [item.name for item in items]


@settings(deadline=None, max_examples=40)
@given(geometries(), st.integers(0, 99))
def test_any_convolution(geometry: Geometry, seed: int) -> None:
    result = assert_same_function(convolution(geometry, seed).model, "only")
    assert names_of(result.graph.node) == ["only/channel_1", "only/channel_2"]
    assert {"w", "b"}.isdisjoint(names_of(result.graph.initializer))


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
def test_automatic_padding_fits_images_of_every_size(mode: str) -> None:
    """With a stride the pads depend on the size, so they must not be those of the size it was read for."""
    found = convolution(Geometry(3, 5, (4, 3), (2, 3), (0, 0, 0, 0), size=(11, 11)))
    model = found.model
    node = model.graph.node[0]
    kept = [attribute for attribute in node.attribute if attribute.name != "pads"]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("auto_pad", mode)])
    for dim, name in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], "hw", strict=True):
        dim.dim_param = name
    (layer,) = network_of(model, (11, 11), "it").layers
    result = replace_layer(model, layer, in_two(found, layer), "channel")
    onnx.checker.check_model(result, full_check=True)
    for size in ((11, 11), (12, 13), (14, 10)):
        assert_equal_outputs(model, result, random_images(2, (3, *size)), tolerance=1e-5)


def described_in_full() -> onnx.ModelProto:
    """A network that says all that can be said about itself."""
    model = network()
    model.producer_name, model.producer_version, model.domain = "a tool", "3", "its.domain"
    model.model_version, model.doc_string = 7, "a story"
    model.graph.doc_string = "the graph's story"
    model.metadata_props.add(key="note", value="kept")
    model.graph.metadata_props.add(key="of the graph", value="kept")
    for node in model.graph.node:
        node.doc_string = f"the story of {node.name}"
    model.graph.input[0].doc_string = "the image's story"
    sides: list[str | int | None] = ["N", 8, 16, 16]
    model.graph.value_info.append(helper.make_tensor_value_info("r1", TensorProto.FLOAT, sides))
    return model


def test_what_is_not_replaced_survives() -> None:
    model = described_in_full()
    result = assert_same_function(model, "second")
    assert names_of(result.graph.node) == [
        *("first", "relu1", "second/channel_1", "second/channel_2", "relu2", "pool", "flatten"),
        "classifier",
    ]
    kept = [node for node in model.graph.node if node.name != "second"]
    assert [node for node in result.graph.node if not node.name.startswith("second")] == kept
    weights = [tensor for tensor in model.graph.initializer if tensor.name not in ("w2", "b2")]
    assert list(result.graph.initializer)[: len(weights)] == weights
    for one in (model, result):
        del one.graph.node[:]
        del one.graph.initializer[:]
    assert result == model


def test_original_is_left_as_it_was() -> None:
    model, untouched = network(), network()
    replaced(model, "first", "second")
    assert model == untouched


def test_weights_among_the_inputs_of_old_networks() -> None:
    model = network()
    model.ir_version = 3
    for tensor in model.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(info)
    result = assert_same_function(model, "first")
    assert names_of(result.graph.input)[0] == "image"
    assert sorted(names_of(result.graph.input)[1:]) == sorted(names_of(result.graph.initializer))


def test_output_of_the_layer_is_an_output_of_the_network() -> None:
    model = network()
    for name, channels in (("c1", 8), ("c2", 16)):
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", channels, 16, 16])
        model.graph.output.append(value)
    result = assert_same_function(model, "first", "second")
    assert names_of(result.graph.output) == ["scores", "c1", "c2"]


def test_two_layers_that_read_the_same_tensor() -> None:
    assert_same_function(residual(), "b", "d")
    assert_same_function(residual(), "d", "b")


def test_layer_that_is_a_shortcut() -> None:
    assert_same_function(residual(), "d")


def test_every_layer() -> None:
    assert_same_function(residual(), "a", "b", "c", "d")


def test_network_with_a_branch() -> None:
    assert_same_function(with_branch(), "first", "second")


def test_layer_without_a_name() -> None:
    model = network()
    model.graph.node[0].name = ""
    result = assert_same_function(model, "c1")
    assert names_of(result.graph.node)[:2] == ["c1/channel_1", "c1/channel_2"]


def test_reduced_layer_is_reduced_again() -> None:
    once = replaced(network(), "first")
    twice = assert_same_function(once, "first/channel_1")
    assert len(set(names_of(twice.graph.node))) == len(twice.graph.node)


@pytest.mark.parametrize("taken", ["first/channel_1", "first/channel_1/weight", "first/channel_2/bias"])
@pytest.mark.parametrize("place", ["node", "tensor", "used weight", "unused weight"])
def test_names_that_are_taken(taken: str, place: str) -> None:
    model = network()
    nodes, weights = model.graph.node, model.graph.initializer
    if place == "node":
        nodes[3].name = taken
    elif place == "tensor":
        nodes[1].output[0] = nodes[2].input[0] = taken
    elif place == "used weight":
        nodes[2].input[1] = weights[2].name = taken
    else:
        weights.append(numpy_helper.from_array(np.zeros(3, np.float32), taken))
    result = assert_same_function(model, "first")
    assert len(set(names_of(result.graph.node))) == len(result.graph.node)
    assert len(set(names_of(result.graph.initializer))) == len(result.graph.initializer)


def test_weight_that_is_used_elsewhere_stays() -> None:
    model = network()
    model.graph.node.append(helper.make_node("Neg", ["b1"], ["negative"], "negate"))
    model.graph.output.append(helper.make_tensor_value_info("negative", TensorProto.FLOAT, [8]))
    assert "b1" in names_of(assert_same_function(model, "first").graph.initializer)


def test_weight_that_is_an_output_stays() -> None:
    model = network()
    model.graph.output.append(helper.make_tensor_value_info("b1", TensorProto.FLOAT, [8]))
    assert "b1" in names_of(assert_same_function(model, "first").graph.initializer)


def test_weight_that_is_used_in_a_branch_stays() -> None:
    model = with_branch()
    branch = next(node for node in model.graph.node if node.op_type == "If")
    for attribute in branch.attribute:
        attribute.g.node[0].op_type = "Add"
        attribute.g.node[0].input[:] = ["r1", "b2"]  # as long as a row of the image
    assert "b2" in names_of(assert_same_function(model, "second").graph.initializer)
