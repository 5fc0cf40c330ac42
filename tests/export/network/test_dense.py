"""A fully connected layer: which products are one, and its costs; more in ``test_fully_connected``."""

import numpy as np
import onnx
import pytest
from onnx import helper

from edge_runtime.base.errors import ModelRefusedError
from export.network.layers import network_of
from tests.attacks.networks import model_of

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
