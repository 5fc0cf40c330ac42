"""Networks written in int8: what is in it and what stays in float, and that engines fuse it."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.engines.onnxruntime import optimise_offline
from export.calibrate.calibration_set import calibration_of
from export.precision.activation_ranges import activation_ranges
from export.precision.clipping import Ends, whole_range
from export.precision.eight_bits import EightBitNetwork, require_float
from tests.attacks.networks import model_of, network
from tests.export.small_networks import (
    outputs,
    random_images,
    relative_difference,
    residual,
    with_branch,
    with_heads,
)

NETWORKS = {"chain": network, "residual": residual, "heads": with_heads, "branch": with_branch}


def images_of(model: onnx.ModelProto, count: int = 12) -> list[np.ndarray]:
    shape = [length.dim_value for length in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    return random_images(count, shape)


def ends_of(model: onnx.ModelProto, folder: Path) -> dict[str, Ends]:
    inputs = calibration_of(images_of(model), folder).fit
    tensors = EightBitNetwork(model).tensors
    found = activation_ranges(model, tensors, inputs, threads=1)
    return {name: whole_range(tensor) for name, tensor in found.items()}


def rounded_inputs(model: onnx.ModelProto) -> set[str]:
    """Convolutions all of whose inputs are rounded."""
    rounded = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    convolutions = (node for node in model.graph.node if node.op_type == "Conv")
    return {node.output[0] for node in convolutions if rounded.issuperset(node.input)}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_outputs_hardly_change(name: str, tmp_path: Path) -> None:
    model = NETWORKS[name]()
    before = model.SerializeToString()
    written = EightBitNetwork(model).written(ends_of(model, tmp_path))
    onnx.checker.check_model(written, full_check=True)
    assert model.SerializeToString() == before
    images = images_of(model)
    for expected, found in zip(outputs(model, images), outputs(written, images), strict=True):
        assert 0 < relative_difference(expected, found) < 0.05
    assert len(rounded_inputs(written)) == len([n for n in model.graph.node if n.op_type == "Conv"])


def test_onnxruntime_runs_it_in_int8(tmp_path: Path) -> None:
    model = network()
    written = EightBitNetwork(model).written(ends_of(model, tmp_path))
    weights = {tensor.name: tensor.data_type for tensor in written.graph.initializer}
    assert sum(element == TensorProto.INT8 for element in weights.values()) >= 3
    optimise_offline(written.SerializeToString(), tmp_path / "o.onnx")
    kept = [node.op_type for node in written.graph.node if node.op_type == "Relu"]
    assert kept == []  # its range begins at 0: the rounding does what it did


def test_layers_left_in_float_keep_their_weights(tmp_path: Path) -> None:
    model = network()
    written = EightBitNetwork(model).written(ends_of(model, tmp_path), ["c2"])
    before = {tensor.name: tensor for tensor in model.graph.initializer}
    after = {tensor.name: tensor for tensor in written.graph.initializer}
    np.testing.assert_array_equal(*(numpy_helper.to_array(found["w2"]) for found in (before, after)))
    assert "w1" not in after
    assert "w3" not in after


def test_the_layers_and_the_last_of_them() -> None:
    found = EightBitNetwork(with_heads())
    assert len(found.layers) == 12
    assert found.last_layers == tuple(f"answer{step}" for step in range(4))
    assert EightBitNetwork(network()).last_layers == ("scores",)


def test_what_follows_the_last_layer_stays_in_float(tmp_path: Path) -> None:
    """A detector's pixels beside its probabilities would share 256 levels."""
    model = with_heads()
    model.graph.node[-1].output[0] = "joined"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(640), "pixels"))
    model.graph.node.append(helper.make_node("Mul", ["joined", "pixels"], ["scores"]))
    written = EightBitNetwork(model).written(ends_of(model, tmp_path))
    by_output = {node.output[0]: node for node in written.graph.node}
    assert list(by_output["scores"].input) == ["joined", "pixels"]
    assert all("answer" in name for name in by_output["joined"].input)
    assert "joined" not in {node.input[0] for node in written.graph.node if node.op_type == "QuantizeLinear"}


def test_scores_of_a_fully_connected_layer_are_not_rounded(tmp_path: Path) -> None:
    model = network()
    written = EightBitNetwork(model).written(ends_of(model, tmp_path))
    (scores,) = outputs(written, images_of(model, 1))
    gemm = next(node for node in written.graph.node if node.op_type == "Gemm")
    assert gemm.output[0] == "scores"
    assert len(np.unique(scores)) == scores.size


def test_an_old_network_is_brought_to_a_release_that_has_int8(tmp_path: Path) -> None:
    model = network()
    model.opset_import[0].version = 11
    written = EightBitNetwork(model).written(ends_of(model, tmp_path))
    assert written.opset_import[0].version >= 13
    onnx.checker.check_model(written, full_check=True)


def test_nodes_of_one_name_and_of_none_are_told_apart(tmp_path: Path) -> None:
    model = network()
    ends = ends_of(model, tmp_path)  # onnxruntime refuses names that repeat, which others write
    for node, name in zip(model.graph.node, ["same", "", "same", "", "same", "", "same"], strict=True):
        node.name = name
    written = EightBitNetwork(model).written(ends, ["c2"])
    assert len(rounded_inputs(written)) == 1
    outputs(written, images_of(model, 1))


def test_integers_between_layers_are_left_alone(tmp_path: Path) -> None:
    weights = {"w": np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Shape", ["c"], ["lengths"]),
        helper.make_node("Slice", ["lengths", "one", "two"], ["channels"]),
        helper.make_node("Concat", ["first", "channels", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["c", "shape"], ["flat"]),
        helper.make_node("Reshape", ["flat", "maps"], ["again"]),
        helper.make_node("Conv", ["again", "w2"], ["scores"]),
    ]
    whole = {"one": [1], "two": [2], "first": [1], "rest": [-1], "maps": [1, 4, 8, 8]}
    model = model_of(nodes, weights, [1, 3, 8, 8], [1, 4, 8, 8])
    arrays = {name: np.array(values, np.int64) for name, values in whole.items()}
    arrays["w2"] = np.random.default_rng(1).normal(size=(4, 4, 1, 1)).astype(np.float32)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    written = EightBitNetwork(model).written(ends_of(model, tmp_path))
    images = images_of(model)
    for expected, found in zip(outputs(model, images), outputs(written, images), strict=True):
        assert relative_difference(expected, found) < 0.05


def test_a_network_in_int8_is_not_taken_for_one_in_float(tmp_path: Path) -> None:
    model = network()
    require_float(model, "it")
    with pytest.raises(ModelRefusedError, match="it is in int8 already"):
        require_float(EightBitNetwork(model).written(ends_of(model, tmp_path)), "it")


def test_weights_of_half_precision_are_not_for_int8() -> None:
    model = network()
    for tensor in model.graph.initializer:
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    assert EightBitNetwork(model).layers == ()


def test_what_a_branch_reads_is_not_left_to_a_rounding_that_it_skips(tmp_path: Path) -> None:
    """A Relu before rounding does nothing, and goes; the branches of an If read what lies before that."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(0, 0.3, (4, 8, 1, 1)).astype(np.float32),
        "zero": np.float32(0),
    }
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("same", "half")]
    branches = {
        "then_branch": helper.make_graph([helper.make_node("Abs", ["r"], ["same"])], "a", [], value[:1]),
        "else_branch": helper.make_graph([helper.make_node("Sigmoid", ["r"], ["half"])], "b", [], value[1:]),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("ReduceMax", ["r"], ["largest"], keepdims=0),
        helper.make_node("Greater", ["largest", "zero"], ["bright"]),
        helper.make_node("If", ["bright"], ["chosen"], **branches),
        helper.make_node("Add", ["chosen", "r"], ["sum"]),
        helper.make_node("Conv", ["sum", "w2"], ["scores"], "last"),
    ]
    model = model_of(nodes, weights, ["N", 3, 8, 8], list("ndhw"))
    written = EightBitNetwork(model).written(ends_of(model, tmp_path))
    images = images_of(model)
    for expected, found in zip(outputs(model, images), outputs(written, images), strict=True):
        assert relative_difference(expected, found) < 0.05


@pytest.mark.parametrize("bounds", [(0.7, 1.5), (-1.5, -0.7), (0.0, 0.7)])
def test_bounds_on_one_side_of_zero_still_bound(bounds: tuple[float, float], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(0, 0.3, (4, 8, 1, 1)).astype(np.float32),
        "least": np.float32(bounds[0]),
        "most": np.float32(bounds[1]),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["c", "least", "most"], ["r"]),
        helper.make_node("Conv", ["r", "w2"], ["scores"], "last"),
    ]
    model = model_of(nodes, weights, ["N", 3, 8, 8], list("ndhw"))
    written = EightBitNetwork(model).written(ends_of(model, tmp_path))
    images = images_of(model)
    for expected, found in zip(outputs(model, images), outputs(written, images), strict=True):
        assert relative_difference(expected, found) < 0.05
    assert len(rounded_inputs(written)) == 2


@pytest.mark.parametrize("bounding", ["Relu", "Clip"])
@pytest.mark.parametrize("read_by", ["output", "branch"])
def test_what_is_bounded_is_whole_for_others_that_read_it(
    bounding: str, read_by: str, tmp_path: Path
) -> None:
    """As an output of the network, or in the branches of an If."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(0, 0.3, (8, 8, 1, 1)).astype(np.float32),
        "zero": np.float32(0),
        "yes": np.array(1, bool),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c"], "first", pads=[1, 1, 1, 1]),
        helper.make_node(bounding, ["c", "zero"] if bounding == "Clip" else ["c"], ["r"]),
        helper.make_node("Conv", ["r", "w2"], ["last"], "last"),
    ]
    value = helper.make_tensor_value_info("c", TensorProto.FLOAT, ["N", 8, 8, 8])
    if read_by == "branch":
        branches = {
            name: helper.make_graph(
                [helper.make_node("Neg", ["c"], [name])],
                name,
                [],
                [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
            )
            for name in ("then_branch", "else_branch")
        }
        nodes.append(helper.make_node("If", ["yes"], ["chosen"], **branches))
        nodes.append(helper.make_node("Add", ["last", "chosen"], ["scores"]))
    else:
        nodes.append(helper.make_node("Identity", ["last"], ["scores"]))
    model = model_of(nodes, weights, ["N", 3, 8, 8], list("ndhw"))
    if read_by == "output":
        model.graph.output.append(value)
    written = EightBitNetwork(model).written(ends_of(model, tmp_path))
    images = images_of(model)
    for expected, found in zip(outputs(model, images), outputs(written, images), strict=True):
        assert relative_difference(expected, found) < 0.05
