"""Weights that are constant but reach their layer through other nodes: folded, the network the same."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from export.network.layers import network_of
from export.network.load import check, load_model
from export.network.source import read_source
from tests.attacks.networks import network, save
from tests.export.small_networks import assert_equal_outputs, random_images

IMAGES = random_images(3, (3, 16, 16))
WEIGHTS = {"w1", "b1", "w2", "b2", "w3", "b3"}
Made = tuple[list[onnx.NodeProto], dict[str, np.ndarray]]


def identity(weight: np.ndarray) -> Made:
    return [helper.make_node("Identity", ["v"], ["w2"])], {"v": weight}


def two_identities(weight: np.ndarray) -> Made:
    nodes = [helper.make_node("Identity", ["v"], ["u"]), helper.make_node("Identity", ["u"], ["w2"])]
    return nodes, {"v": weight}


def cast(weight: np.ndarray) -> Made:
    return [helper.make_node("Cast", ["v"], ["w2"], to=TensorProto.FLOAT)], {"v": weight.astype(np.float16)}


def transpose(weight: np.ndarray) -> Made:
    return [helper.make_node("Transpose", ["v"], ["w2"], perm=[3, 2, 0, 1])], {
        "v": weight.transpose(2, 3, 1, 0)
    }


def reshape(weight: np.ndarray) -> Made:
    arrays = {"v": weight.reshape(len(weight), -1), "shape": np.array(weight.shape)}
    return [helper.make_node("Reshape", ["v", "shape"], ["w2"])], arrays


def mul(weight: np.ndarray) -> Made:
    return [helper.make_node("Mul", ["v", "half"], ["w2"])], {"v": weight * 2, "half": np.float32(0.5)}


def dequantise(weight: np.ndarray) -> Made:
    scale = np.abs(weight).max(axis=(1, 2, 3)) / 127
    whole = np.round(weight / scale[:, None, None, None]).astype(np.int8)
    node = helper.make_node("DequantizeLinear", ["v", "scale"], ["w2"], axis=0)
    return [node], {"v": whole, "scale": scale.astype(np.float32)}


def split(weight: np.ndarray) -> Made:
    """The other half is read by nobody."""
    node = helper.make_node("Split", ["v"], ["w2", "other"], axis=0)
    return [node], {"v": np.concatenate([weight, weight])}


def chain(weight: np.ndarray) -> Made:
    nodes = [
        helper.make_node("Constant", [], ["two"], value_float=2.0),
        helper.make_node("Div", ["v", "two"], ["halved"]),
        helper.make_node("Transpose", ["halved"], ["w2"], perm=[1, 0, 2, 3]),
    ]
    return nodes, {"v": weight.transpose(1, 0, 2, 3) * 2}


WAYS = [identity, two_identities, cast, transpose, reshape, mul, dequantise, split, chain]


def behind(way: object) -> onnx.ModelProto:
    """The harmless network, whose second weight is computed."""
    model = network()
    held = next(tensor for tensor in model.graph.initializer if tensor.name == "w2")
    nodes, arrays = way(numpy_helper.to_array(held))  # type: ignore[operator]
    model.graph.initializer.remove(held)
    add(model, **arrays)
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    return model


def add(model: onnx.ModelProto, **arrays: np.ndarray) -> None:
    model.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()
    )


def load(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    check(model, "the network")
    save(model, folder / "model.onnx")
    return load_model(read_source(folder / "model.onnx"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ir_version", [3, 8])
def test_weight_is_folded(way: object, ir_version: int, tmp_path: Path) -> None:
    model = behind(way)
    model.ir_version = ir_version
    if ir_version < 4:
        for tensor in model.graph.initializer:
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            model.graph.input.append(info)
    folded = load(model, tmp_path)
    check(folded, "the folded network")
    plain = [node.op_type for node in network().graph.node]
    assert [node.op_type for node in folded.graph.node] == plain
    assert len(folded.graph.initializer) == len(WEIGHTS)
    assert [layer.reason for layer in network_of(folded, None, "it").layers] == [None] * 3
    assert_equal_outputs(model, folded, IMAGES, tolerance=1e-6)


def test_network_without_such_weights_is_left_exactly_as_it_is(tmp_path: Path) -> None:
    model = network()
    add(model, half=np.float32(0.5))
    model.graph.node.insert(0, helper.make_node("Neg", ["half"], ["minus"]))
    model.graph.node.insert(1, helper.make_node("Mul", ["image", "minus"], ["other"]))
    model.graph.node[2].input[0] = "other"
    assert load(model, tmp_path) == model


def test_weight_that_layers_share_behind_identities_stays_shared(tmp_path: Path) -> None:
    model = network()
    add(model, v=np.ones((8, 8, 3, 3), np.float32))
    nodes = [helper.make_node("Identity", ["v"], [name]) for name in ("one", "two")]
    nodes += [
        helper.make_node("Conv", ["r1", "one"], ["x1"], "left", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["x1", "two"], ["x2"], "right", pads=[1, 1, 1, 1]),
    ]
    rest = list(model.graph.node)
    rest[2].input[0] = "x2"
    del model.graph.node[:]
    model.graph.node.extend([*rest[:2], *nodes, *rest[2:]])
    folded = load(model, tmp_path)
    assert len(folded.graph.initializer) == len(WEIGHTS) + 1
    reasons = {layer.name: layer.reason for layer in network_of(folded, None, "it").layers}
    assert reasons["left"] == reasons["right"] == "shared weight: another layer uses it too"
    assert_equal_outputs(model, folded, IMAGES, tolerance=0)


def test_what_other_nodes_read_stays(tmp_path: Path) -> None:
    """The transposed weight is an output, too, and what it is made of feeds something else."""
    model = behind(transpose)
    model.graph.output.append(helper.make_tensor_value_info("w2", TensorProto.FLOAT, [16, 8, 3, 3]))
    model.graph.node.append(helper.make_node("ReduceMax", ["v"], ["largest"]))
    model.graph.output.append(helper.make_tensor_value_info("largest", TensorProto.FLOAT, [1] * 4))
    folded = load(model, tmp_path)
    assert "Transpose" not in {node.op_type for node in folded.graph.node}
    assert_equal_outputs(model, folded, IMAGES, tolerance=1e-6)


def test_random_weights_are_not_constant(tmp_path: Path) -> None:
    def random(weight: np.ndarray) -> Made:
        return [helper.make_node("RandomNormal", [], ["w2"], shape=weight.shape)], {}

    layers = network_of(load(behind(random), tmp_path), None, "it").layers
    assert layers[1].reason == "dynamic weight: computed by the network"


def test_quantised_layers_stay_quantised(tmp_path: Path) -> None:
    """What they read is quantised, too: with weights of floats they would be slower and larger."""
    model = behind(dequantise)
    add(model, step=np.float32(0.1), nought=np.int8(0))
    model.graph.node.insert(3, helper.make_node("QuantizeLinear", ["r1", "step", "nought"], ["q"]))
    model.graph.node.insert(4, helper.make_node("DequantizeLinear", ["q", "step", "nought"], ["d"]))
    model.graph.node[5].input[0] = "d"
    loaded = load(model, tmp_path)
    assert loaded == model
    reasons = [layer.reason for layer in network_of(loaded, None, "it").layers]
    assert reasons == [None, "quantised: give the network as it was before", None]


def test_bounds_of_a_clip_are_folded(tmp_path: Path) -> None:
    from export.network.following import nonlinearity_after

    model = network()
    add(model, low=np.float16(0), high=np.float32(6))
    nodes = [
        helper.make_node("Cast", ["low"], ["l"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["high"], ["h"]),
    ]
    rest = list(model.graph.node)
    rest[1] = helper.make_node("Clip", ["c1", "l", "h"], ["r1"])
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    found = nonlinearity_after(load(model, tmp_path), "c1")
    assert found is not None
    values = np.array([-1, 3, 7], np.float32)
    assert np.array_equal(found(values), [0, 3, 6])


def test_a_weight_of_a_few_bytes_that_asks_for_all_memory(tmp_path: Path) -> None:
    def huge(_: np.ndarray) -> Made:
        nodes = [
            helper.make_node("ConstantOfShape", ["s"], ["h"]),
            helper.make_node("Slice", ["h", "start", "end"], ["w2"]),
        ]
        ends = {"start": np.zeros(4, np.int64), "end": np.array([16, 8, 3, 3])}
        return nodes, {"s": np.array([1 << 20, 8, 33, 33]), **ends}

    model = behind(huge)
    save(model, tmp_path / "model.onnx")
    with pytest.raises(ModelRefusedError, match="1048576x8x33x33 values is too large"):
        load_model(read_source(tmp_path / "model.onnx"))
