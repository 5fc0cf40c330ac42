"""A graph as layers: geometry, costs, and why a layer is left alone."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_runtime.base.errors import InputError, ModelRefusedError
from export.network.layers import ReducibleNetwork, network_of, read_network
from export.network.source import read_source
from export.network.tally import Uncounted
from tests.attacks.networks import model_of, network
from tests.export.run_count import macs_of_a_run
from tests.export.small_networks import (
    count_macs,
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
    assert found.macs == count_macs(found.model, size) == macs_of_a_run(found.model, size)
    assert (found.counted, found.uncounted) == ((), ())
    nodes = [node for node in found.model.graph.node if node.op_type in ("Conv", "Gemm")]
    weights = {tensor.name: int(np.prod(tensor.dims)) for tensor in found.model.graph.initializer}
    assert found.parameters == sum(weights[name] for node in nodes for name in node.input[1:])


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
    found = network_of(model_of(nodes, weights, [1, 3, 8, 8], None), None, "it")
    assert (found.layers, found.macs) == ((), 0)
    assert found.uncounted == (Uncounted("Conv", "its size depends on what the image shows"),)


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
