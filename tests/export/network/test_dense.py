"""A fully connected layer: which products are one, what they cost, and when one is left alone."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from export.layer import Layer
from export.network.layers import network_of
from tests.attacks.networks import model_of
from tests.export.dense_networks import dense_model

FLATTEN = helper.make_node("Flatten", ["image"], ["f"])


def gemm(shape: tuple[int, int], **attributes: object) -> onnx.ModelProto:
    node = helper.make_node("Gemm", ["f", "w", "b"], ["scores"], "dense", **attributes)
    weights = {"w": np.ones(shape, np.float32), "b": np.ones(5, np.float32)}
    return model_of([FLATTEN, node], weights, [1, 3, 4, 4], None)


@pytest.mark.parametrize("transposed", [False, True])
def test_costs(*, transposed: bool) -> None:
    model = gemm((5, 48) if transposed else (48, 5), transB=int(transposed))
    (layer,) = network_of(model, None, "it").layers
    assert (layer.op_type, layer.in_channels, layer.out_channels) == ("Gemm", 48, 5)
    assert (layer.macs, layer.parameters, layer.reason) == (240, 245, None)


def test_product_of_two_activations_is_no_layer() -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], "only"),
        helper.make_node("MatMul", ["c", "c"], ["scores"], "attention"),
    ]
    model = model_of(nodes, {"w": np.ones((4, 3, 1, 1), np.float32)}, [1, 3, 6, 6], list("ndhw"))
    assert [layer.name for layer in network_of(model, None, "it").layers] == ["only"]


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_malformed_factor(name: str) -> None:
    with pytest.raises(ModelRefusedError, match=f"{name} of the Gemm 'dense' must be a number"):
        network_of(gemm((48, 5), **{name: 1}), None, "it")


@pytest.mark.parametrize("name", ["transA", "transB"])
def test_malformed_flag(name: str) -> None:
    with pytest.raises(ModelRefusedError, match=f"{name} of the Gemm 'dense' must be a whole number"):
        network_of(gemm((48, 5), **{name: 1.0}), None, "it")


def only(model: onnx.ModelProto) -> Layer:
    return next(layer for layer in network_of(model, None, "it").layers if layer.name == "only")


@pytest.mark.parametrize("operation", ["Gemm", "MatMul"])
@pytest.mark.parametrize("rows", [1, 5])
def test_geometry_and_cost(operation: str, rows: int) -> None:
    layer = only(dense_model(12, 8, rows=rows, operation=operation))
    assert (layer.op_type, layer.in_channels, layer.out_channels) == (operation, 12, 8)
    assert (layer.positions, layer.patch_length) == (rows, 12)
    assert layer.macs == rows * 12 * 8
    assert layer.parameters == 12 * 8 + (8 if operation == "Gemm" else 0)
    assert layer.reason is None


def shared() -> onnx.ModelProto:
    model = dense_model(8, 8)
    model.graph.node[1].output[0] = "hidden"
    model.graph.node.append(helper.make_node("Gemm", ["hidden", "w", "b"], ["scores"], "other"))
    return model


def dynamic(position: int) -> onnx.ModelProto:
    model = dense_model()
    name = model.graph.node[1].input[position]
    model.graph.node.insert(1, helper.make_node("Neg", [name], ["computed"], "negate"))
    model.graph.node[2].input[position] = "computed"
    return model


def transposed() -> onnx.ModelProto:
    model = dense_model(12, 8, rows=12, transA=1)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 12
    return model


REASONS = [
    (dense_model(alpha=0.5), "alpha, beta or transA is set"),
    (dense_model(beta=0.0), "alpha, beta or transA is set"),
    (transposed(), "alpha, beta or transA is set"),
    (dense_model(rows=3, bias=(3, 8)), "its bias differs from row to row"),
    (dense_model(rows=3, bias=(3, 1)), "its bias differs from row to row"),
    (shared(), "shared weight: another layer uses it too"),
    (dynamic(1), "dynamic weight: computed by the network"),
    (dynamic(2), "dynamic bias: computed by the network"),
]


@pytest.mark.parametrize(("model", "reason"), REASONS, ids=[reason for _, reason in REASONS])
def test_why_a_layer_is_left_alone(model: onnx.ModelProto, reason: str) -> None:
    assert only(model).reason == reason


def test_layer_of_doubles_is_left_alone() -> None:
    model = dense_model()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for tensor in model.graph.initializer:
        if tensor.name != "shape":
            array = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    assert only(model).reason == "weights are double, not float"


def test_matmul_that_is_no_layer_has_no_row() -> None:
    model = dense_model(operation="MatMul")
    model.graph.node[0].CopyFrom(helper.make_node("Identity", ["image"], ["flat"], "flatten"))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 5
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 12
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    convolution = helper.make_node("Conv", ["image", "v"], ["other"], "convolution")
    model.graph.node.append(convolution)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "v"))
    assert [layer.name for layer in network_of(model, None, "it").layers] == ["convolution"]
