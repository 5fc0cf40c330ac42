"""What of a network survives its reduction, and which networks cannot be reduced."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edge_runtime.base.errors import ModelRefusedError
from export.methods.base import Method
from export.network.layers import network_of
from export.network.load import load_model
from export.network.source import read_source
from tests.attacks.networks import model_of, network, save
from tests.export.reductions import FACTORS, at_full_rank, reduce
from tests.export.small_networks import (
    assert_equal_outputs,
    images_for,
    outputs,
)

pytestmark = pytest.mark.usefixtures("scratch")


# What survives


def free_size() -> onnx.ModelProto:
    model = network(size="side")
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"
    return model


def old() -> onnx.ModelProto:
    model = network()
    model.ir_version = 3
    for tensor in model.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(info)
    return model


def in_opset(version: int) -> onnx.ModelProto:
    model = network()
    model.opset_import[0].version = version
    return model


@pytest.mark.parametrize(
    "model",
    [
        free_size(),
        old(),
        *(in_opset(version) for version in (11, 13, 17, 21, onnx.defs.onnx_opset_version())),
    ],
    ids=["free size", "IR version 3", "11", "13", "17", "21", "newest"],
)
def test_interface_and_opset_survive(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key="note", value="kept")
    model.doc_string, model.graph.node[1].doc_string = "a story", "another"
    result = reduce(model, target=1.7).model
    onnx.checker.check_model(result, full_check=True)
    assert result.graph.input[0] == model.graph.input[0]
    assert result.graph.output == model.graph.output
    assert result.opset_import == model.opset_import
    assert result.ir_version == model.ir_version
    assert list(result.metadata_props) == list(model.metadata_props)
    assert result.doc_string == "a story"
    assert next(node for node in result.graph.node if node.name == "relu1") == model.graph.node[1]


def test_free_size_still_takes_any_size() -> None:
    reduction = reduce(free_size(), target=1.7)
    for size in ((16, 16), (24, 9)):
        (image,) = images_for(network_of(free_size(), size, "it"), 1)
        assert outputs(reduction.model, [image, image])[0].shape == (1, 4)
    batch = np.concatenate([image, image])
    np.testing.assert_allclose(
        outputs(reduction.model, [batch])[0][0], outputs(reduction.model, [image])[0][0], atol=1e-4
    )


@pytest.mark.parametrize("method", FACTORS, ids=lambda method: method.name)
def test_automatic_padding_takes_any_size(method: Method) -> None:
    """At full rank, so that the outputs can be compared at a size that the fit has not seen."""
    weights = {"w": np.random.default_rng(0).normal(size=(4, 3, 3, 4)).astype(np.float32)}
    node = helper.make_node("Conv", ["image", "w"], ["scores"], "only", auto_pad="SAME_UPPER", strides=[2, 3])
    model = model_of([node], weights, ["N", 3, "h", "w"], list("ndhw"))
    found = network_of(model, (16, 16), "it")
    reduction = at_full_rank(found, images_for(found, 30), method)
    for size in ((16, 16), (17, 18), (9, 11)):
        assert_equal_outputs(model, reduction.model, images_for(network_of(model, size, "it"), 2))


def test_batch_norm_is_folded_and_reduced(tmp_path: Path) -> None:
    model = network()
    arrays = {
        name: np.full(8, value, np.float32) for name, value in zip("abcd", (1.5, 0.2, 0.1, 2), strict=True)
    }
    normed = helper.make_node("BatchNormalization", ["c1", *arrays], ["n1"], "norm")
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()
    )
    model.graph.node[1].input[0] = "n1"
    model.graph.node.insert(1, normed)
    save(model, tmp_path / "model.onnx")
    reduction = reduce(load_model(read_source(tmp_path / "model.onnx")), target=1.7)
    assert reduction.reached
    assert "BatchNormalization" not in {node.op_type for node in reduction.model.graph.node}


# What cannot be reduced


def only_small_layers() -> onnx.ModelProto:
    random = np.random.default_rng(0)
    nodes = [helper.make_node("Conv", ["image", "w"], ["scores"], "only")]
    return model_of(nodes, {"w": random.normal(size=(1, 1, 2, 2)).astype("f4")}, [1, 1, 8, 8], list("ndhw"))


def only_depthwise() -> onnx.ModelProto:
    nodes = [helper.make_node("Conv", ["image", "w"], ["scores"], "only", group=3)]
    return model_of(nodes, {"w": np.ones((3, 1, 3, 3), np.float32)}, [1, 3, 8, 8], list("ndhw"))


def not_finite() -> onnx.ModelProto:
    model = network()
    model.graph.node[1].op_type = "Log"
    return model


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (only_small_layers, "no layer of this network gets cheaper"),
        (only_depthwise, "no layer of this network can be reduced"),
        (not_finite, "the network computes NaN or infinite values"),
    ],
)
def test_refused_networks(make: Callable[[], onnx.ModelProto], says: str) -> None:
    with pytest.raises(ModelRefusedError, match=says):
        reduce(make())
