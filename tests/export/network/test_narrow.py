"""Leaving out channels that nobody reads: where it is possible, and that the network stays the same."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.network.layers import network_of
from export.network.narrow import narrow
from export.network.private_channels import private_channels
from tests.attacks.networks import model_of
from tests.export.small_networks import assert_equal_outputs, images_for

UNREAD = (1, 4)


def between(*nodes: onnx.NodeProto, group: int = 1, **more: np.ndarray) -> onnx.ModelProto:
    """Nodes that lead from ``c1``, six channels of one convolution, to ``r1``, which a second one reads."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(size=(6, 3, 3, 3)),
        "b1": random.normal(size=6),
        "w2": random.normal(size=(5, 6 // group, 3, 3)) if group == 1 else random.normal(size=(4, 3, 3, 3)),
    }
    if group == 1:
        weights["w2"][:, UNREAD] = 0
    arrays = {name: array.astype(np.float32) for name, array in (weights | more).items()}
    ends = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], "first"),
        helper.make_node("Conv", ["r1", "w2"], ["scores"], "second", group=group),
    ]
    return model_of([ends[0], *nodes, ends[1]], arrays, ["N", 3, 12, 12], list("ndhw"))


def node(operation: str, *names: str, **attributes: object) -> onnx.NodeProto:
    """The last name is the output."""
    return helper.make_node(operation, list(names[:-1]), [names[-1]], **attributes)


def shape_of(model: onnx.ModelProto, name: str) -> list[int]:
    return next(list(tensor.dims) for tensor in model.graph.initializer if tensor.name == name)


POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}
WAYS = {
    "relu": between(node("Relu", "c1", "r1")),
    "leaky": between(node("LeakyRelu", "c1", "r1", alpha=0.2)),
    "relu6": between(node("Clip", "c1", "zero", "six", "r1"), zero=np.array(0.0), six=np.array(6.0)),
    "silu": between(node("Sigmoid", "c1", "s"), node("Mul", "c1", "s", "r1")),
    "pooled": between(node("Relu", "c1", "a"), node("MaxPool", "a", "r1", **POOL)),
    "averaged": between(node("AveragePool", "c1", "a", **POOL), node("HardSwish", "a", "r1")),
    "scaled": between(node("Mul", "c1", "two", "r1"), two=np.full((1, 1, 1), 2.0)),
    "with itself": between(node("Relu", "c1", "a"), node("Add", "a", "c1", "r1")),
}
OBSTACLES = {
    "a scale for each channel": between(node("Mul", "c1", "s", "r1"), s=np.ones((6, 1, 1))),
    "a slope for each channel": between(node("PRelu", "c1", "s", "r1"), s=np.ones((6, 1, 1))),
    "a shortcut": between(
        node("Conv", "image", "v", "o"), node("Add", "c1", "o", "r1"), v=np.ones((6, 3, 3, 3))
    ),
    "a concatenation": between(node("Concat", "c1", "r1", axis=1)),
    "softmax over channels": between(node("Softmax", "c1", "r1", axis=1)),
    "flattened": between(node("Relu", "c1", "r1"), node("Flatten", "r1", "f")),
    "two readers": between(
        node("Relu", "c1", "r1"), node("Conv", "r1", "v", "other"), v=np.ones((2, 6, 3, 3))
    ),
    "two groups": between(node("Relu", "c1", "r1"), group=2),
    "shared weights": between(
        node("Relu", "c1", "a"), node("Conv", "a", "w2", "other"), node("Relu", "c1", "r1")
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_unread_channels_leave_both_convolutions(way: str) -> None:
    model = WAYS[way]
    before = model.SerializeToString()
    narrowed = narrow(model, ["scores"])
    assert model.SerializeToString() == before
    onnx.checker.check_model(narrowed, full_check=True)
    assert [shape_of(narrowed, name)[:2] for name in ("w1", "w2")] == [[4, 3], [5, 4]]
    assert shape_of(narrowed, "b1") == [4]
    found = network_of(model, None, "it")
    assert found.layers[1].source == "c1"
    assert_equal_outputs(model, narrowed, images_for(found, 3))


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_channels_stay_where_somebody_may_miss_them(obstacle: str) -> None:
    model = OBSTACLES[obstacle]
    assert private_channels(model).get("scores") is None
    assert narrow(model, ["scores"]) == model
    assert {layer.source for layer in network_of(model, None, "it").layers} == {""}


def test_channels_that_the_network_gives_away_stay() -> None:
    model = between(node("Relu", "c1", "r1"))
    model.graph.output.append(helper.make_tensor_value_info("c1", TensorProto.FLOAT, list("nchw")))
    assert narrow(model, ["scores"]) == model


def test_channels_that_a_branch_reads_stay() -> None:
    model = between(node("Relu", "c1", "r1"))
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node("ReduceMax", ["r1"], [f"{name}_out"], keepdims=0)],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [])],
        )
        for name in ("then", "else")
    }
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.append(helper.make_node("If", ["yes"], ["largest"], "if", **branches))
    model.graph.output.append(helper.make_tensor_value_info("largest", TensorProto.FLOAT, []))
    onnx.checker.check_model(model)
    assert narrow(model, ["scores"]) == model


def test_only_the_readers_asked_for_are_looked_at() -> None:
    model = WAYS["relu"]
    assert narrow(model, []) == model
    assert narrow(model, ["c1"]) == model


def test_convolution_that_reads_nothing_keeps_one_channel() -> None:
    model = between(node("Relu", "c1", "r1"))
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "w2")
    weight.CopyFrom(numpy_helper.from_array(np.zeros((5, 6, 3, 3), np.float32), "w2"))
    narrowed = narrow(model, ["scores"])
    assert shape_of(narrowed, "w1") == [1, 3, 3, 3]
    assert_equal_outputs(model, narrowed, images_for(network_of(model, None, "it"), 2))


def test_recorded_shapes_and_old_weight_inputs_are_brought_up_to_date() -> None:
    model = onnx.shape_inference.infer_shapes(WAYS["pooled"])
    model.ir_version = 3
    for tensor in model.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(info)
    assert {value.name for value in model.graph.value_info} == {"c1", "a", "r1"}
    narrowed = narrow(model, ["scores"])
    onnx.checker.check_model(narrowed, full_check=True)
    assert_equal_outputs(model, narrowed, images_for(network_of(model, None, "it"), 2))
