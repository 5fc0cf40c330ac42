"""Reading a network: weights wherever exporters put them, batch norm folded, all else left as it was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import InputError, ModelRefusedError
from export.network.layers import read_network
from export.network.load import check, load_model
from export.network.source import read_source
from tests.attacks.networks import model_of, network, save
from tests.export.small_networks import assert_equal_outputs, random_images

NEWEST = onnx.defs.onnx_opset_version()
OPSETS = (11, 13, 17, 21, NEWEST)
IMAGES = random_images(3, (3, 16, 16))


def load(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    save(model, folder / "model.onnx")
    return load_model(read_source(folder / "model.onnx"))


def with_batch_norm(*, bias: bool, opset: int = 17) -> onnx.ModelProto:
    """Conv, BatchNormalization, Relu, Conv; a second one follows no Conv and cannot be folded."""
    random = np.random.default_rng(0)
    weights = {
        "w": random.normal(0, 0.3, (8, 3, 3, 3)),
        "b": random.normal(0, 1, 8),
        "v": random.normal(0, 0.3, (4, 8, 3, 3)),
        **{f"n{i}_scale": random.uniform(0.5, 2, 8) for i in (1, 2)},
        **{f"n{i}_shift": random.normal(0, 1, 8) for i in (1, 2)},
        **{f"n{i}_mean": random.normal(0, 1, 8) for i in (1, 2)},
        **{f"n{i}_var": random.uniform(0.5, 2, 8) for i in (1, 2)},
    }
    if not bias:
        del weights["b"]
    parameters = [[f"n{i}_{name}" for name in ("scale", "shift", "mean", "var")] for i in (1, 2)]
    nodes = [
        helper.make_node("Conv", ["image", "w", *(["b"] if bias else [])], ["c1"], "first"),
        helper.make_node("BatchNormalization", ["c1", *parameters[0]], ["n1"], "norm1", epsilon=1e-3),
        helper.make_node("Relu", ["n1"], ["r1"], "relu"),
        helper.make_node("BatchNormalization", ["r1", *parameters[1]], ["n2"], "norm2"),
        helper.make_node("Conv", ["n2", "v"], ["scores"], "second"),
    ]
    arrays = {name: array.astype(np.float32) for name, array in weights.items()}
    model = model_of(nodes, arrays, ["N", 3, "H", "W"], ["N", 4, "h", "w"])
    model.opset_import[0].version = opset
    return model


def weights_as_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with every weight in a Constant node."""
    constants = [
        helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in model.graph.initializer
    ]
    rest = list(model.graph.node)
    del model.graph.initializer[:]
    del model.graph.node[:]
    model.graph.node.extend([*constants, *rest])
    return model


def weights_as_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network as old exporters wrote it: every weight is among the inputs too."""
    model.ir_version = 3
    for tensor in model.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(info)
    return model


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("rewrite", [weights_as_nodes, weights_as_inputs, lambda model: model])
def test_weights_are_found_in_every_opset(
    opset: int, rewrite: Callable[[onnx.ModelProto], onnx.ModelProto], tmp_path: Path
) -> None:
    original = network()
    original.opset_import[0].version = opset
    model = load(rewrite(original), tmp_path)
    assert {tensor.name for tensor in model.graph.initializer} == {"w1", "b1", "w2", "b2", "w3", "b3"}
    assert [node.op_type for node in model.graph.node if node.op_type == "Constant"] == []
    assert model.opset_import[0].version == opset
    assert_equal_outputs(network(), model, IMAGES, tolerance=0)
    found = read_network(read_source(tmp_path / "model.onnx"))
    assert [layer.name for layer in found.reducible][:2] == ["first", "second"]
    assert found.input_name == "image"


def test_constant_that_is_not_a_tensor_stays(tmp_path: Path) -> None:
    model = network()
    model.graph.node.insert(0, helper.make_node("Constant", [], ["two"], "constant", value_float=2.0))
    model.graph.node.insert(1, helper.make_node("Mul", ["image", "two"], ["doubled"], "double"))
    model.graph.node[2].input[0] = "doubled"
    loaded = load(model, tmp_path)
    assert loaded == model
    assert read_network(read_source(tmp_path / "model.onnx")).layers[0].input == "doubled"


def test_constant_that_is_an_output_too(tmp_path: Path) -> None:
    model = weights_as_nodes(network())
    model.graph.output.append(helper.make_tensor_value_info("b3", TensorProto.FLOAT, [4]))
    assert_equal_outputs(model, load(model, tmp_path), IMAGES, tolerance=0)


def test_network_without_batch_norm_is_left_exactly_as_it_is(tmp_path: Path) -> None:
    model = network()
    model.doc_string, model.producer_name = "a story", "a tool"
    model.graph.doc_string = "another"
    model.graph.node[0].doc_string = "a third"
    assert load(model, tmp_path) == model


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_is_folded_into_the_convolution_before_it(
    opset: int, tmp_path: Path, *, bias: bool
) -> None:
    model = with_batch_norm(bias=bias, opset=opset)
    folded = load(model, tmp_path)
    check(folded, "the folded network")
    operations = [node.op_type for node in folded.graph.node]
    assert operations == ["Conv", "Relu", "BatchNormalization", "Conv"]
    assert_equal_outputs(model, folded, IMAGES)
    layers = read_network(read_source(tmp_path / "model.onnx"), (16, 16)).reducible
    assert [layer.name for layer in layers] == ["first", "second"]
    assert layers[0].bias


@pytest.mark.parametrize("rewrite", [weights_as_nodes, weights_as_inputs])
def test_batch_norm_is_folded_wherever_its_weights_are(
    rewrite: Callable[[onnx.ModelProto], onnx.ModelProto], tmp_path: Path
) -> None:
    folded = load(rewrite(with_batch_norm(bias=False)), tmp_path)
    assert [node.op_type for node in folded.graph.node].count("BatchNormalization") == 1
    assert_equal_outputs(with_batch_norm(bias=False), folded, IMAGES)


def test_folding_keeps_what_it_does_not_fold(tmp_path: Path) -> None:
    model = with_batch_norm(bias=True)
    model.metadata_props.add(key="note", value="kept")
    folded = load(model, tmp_path)
    assert folded.opset_import == model.opset_import
    assert list(folded.metadata_props) == list(model.metadata_props)
    names = [tensor.name for tensor in folded.graph.initializer]
    assert names == sorted(names)
    assert folded.graph.input == model.graph.input
    assert folded.graph.output == model.graph.output
    assert [node.name for node in folded.graph.node] == ["first", "relu", "norm2", "second"]


def test_batch_norm_with_several_readers_is_folded_right(tmp_path: Path) -> None:
    model = with_batch_norm(bias=True)
    model.graph.output.append(helper.make_tensor_value_info("c1", TensorProto.FLOAT, ["N", 8, "y", "x"]))
    assert_equal_outputs(model, load(model, tmp_path), IMAGES)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(value: float, tmp_path: Path) -> None:
    model = network()
    weight = numpy_helper.to_array(model.graph.initializer[2]).copy()
    weight.flat[5] = value
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(weight, "w2"))
    for broken in (model, weights_as_nodes(model)):
        with pytest.raises(ModelRefusedError, match=r"'w2' holds NaN"):
            load(broken, tmp_path)


def test_malformed_network(tmp_path: Path) -> None:
    model = network()
    model.graph.node[1].op_type = "Rlu"
    with pytest.raises(ModelRefusedError, match=r"not a valid ONNX network: .*Rlu"):
        load(model, tmp_path)


def test_file_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "card.onnx").write_text('{"input": {}}')
    with pytest.raises(InputError, match="not an ONNX file"):
        read_source(tmp_path / "card.onnx")


@pytest.mark.parametrize("ending", ["json", "txt", "textproto", "onnxtxt", "onnx"])
def test_text_is_no_network_whatever_its_name_ends_in(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"card.{ending}"
    path.write_text('{"task": "classify", "input": {"size": [30, 30]}}')
    with pytest.raises(InputError, match="not an ONNX file"):
        read_source(path)
