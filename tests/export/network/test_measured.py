"""Shapes that onnx cannot infer come from a run; those that the image decides come from nowhere."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_runtime.base.errors import InputError, ModelRefusedError
from export.network.layers import network_of
from export.network.measured import measure
from export.network.tally import Uncounted
from tests.attacks.networks import model_of, network
from tests.export.run_count import macs_of_a_run

SIZE = (12, 10)
VARIES = "its size depends on what the image shows"


def with_gelu() -> onnx.ModelProto:
    """Behind an operator of onnxruntime's own onnx knows no shape."""
    model = network(size="side")
    model.graph.node[1].CopyFrom(helper.make_node("Gelu", ["c1"], ["r1"], domain="com.microsoft"))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def with_computed_shape() -> onnx.ModelProto:
    """Height and width go through floating point, as exporters of text recognisers write it."""
    model = network(size="side")
    weights = {"start": np.array([2]), "end": np.array([4]), "head": np.array([1, 8])}
    nodes = [
        helper.make_node("Shape", ["r1"], ["sides"]),
        helper.make_node("Slice", ["sides", "start", "end"], ["last"]),
        helper.make_node("Cast", ["last"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Ceil", ["float"], ["even"]),
        helper.make_node("Cast", ["even"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Concat", ["head", "whole"], ["target"], axis=0),
        helper.make_node("Reshape", ["r1", "target"], ["reshaped"]),
    ]
    model.graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in weights.items())
    before, after = list(model.graph.node)[:2], list(model.graph.node)[2:]
    after[0].input[0] = "reshaped"
    del model.graph.node[:]
    model.graph.node.extend([*before, *nodes, *after])
    return model


def with_free_channels() -> onnx.ModelProto:
    model = network(size="side")
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "C"
    return model


@pytest.mark.parametrize("make", [with_gelu, with_computed_shape, with_free_channels])
def test_network_is_read_like_any_other(make: object) -> None:
    model = make()  # type: ignore[operator]
    found, plain = network_of(model, SIZE, "it"), network_of(network(size="side"), SIZE, "it")
    assert [layer.reason for layer in found.layers] == [None, None, None]
    assert [layer.shape for layer in found.layers] == [layer.shape for layer in plain.layers]
    assert (found.measured.varying is None) == (make is with_free_channels)
    assert found.macs == macs_of_a_run(model, SIZE)
    assert found.shapes["r2"] == (1, 16, *SIZE)
    assert {"r1", "r2"} <= found.float_tensors


def test_no_run_where_onnx_knows_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("run for nothing")

    monkeypatch.setattr("export.network.layers.measure", never)
    assert network_of(network(), None, "it").measured.varying is None


def test_what_a_run_told_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = network_of(with_gelu(), SIZE, "it")

    def never(*_: object) -> None:
        raise AssertionError("run again")

    monkeypatch.setattr("export.network.layers.measure", never)
    again = network_of(with_gelu(), SIZE, "it", measured=found.measured)
    assert (again.layers, again.shapes) == (found.layers, found.shapes)


def beside_suppression() -> onnx.ModelProto:
    """A detector with its own suppression, and a product for each box that is left."""
    model = network()
    floats = {
        "boxes": np.random.default_rng(0).uniform(0, 1, (1, 4, 4)),
        "vectors": np.random.default_rng(1).normal(0, 1, (4, 6)),
        "matrix": np.ones((6, 3)),
        "limit": np.array([0.5]),
        "threshold": np.array([-100.0]),
    }
    weights = {name: array.astype(np.float32) for name, array in floats.items()}
    weights |= {"few": np.array([9]), "one": np.array([1]), "column": np.array(2)}  # type: ignore[dict-item]
    model.graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in weights.items())
    model.graph.node.extend(
        [
            helper.make_node("Unsqueeze", ["scores", "one"], ["classes"]),
            helper.make_node(
                "NonMaxSuppression", ["boxes", "classes", "few", "limit", "threshold"], ["kept"]
            ),
            helper.make_node("Gather", ["kept", "column"], ["which"], axis=1),
            helper.make_node("Gather", ["vectors", "which"], ["mine"]),
            helper.make_node("MatMul", ["mine", "matrix"], ["masks"], "mask"),
        ]
    )
    model.graph.output.append(helper.make_tensor_value_info("masks", TensorProto.FLOAT, ["n", 3]))
    return model


def test_size_that_the_image_decides_is_not_believed() -> None:
    found = network_of(beside_suppression(), None, "it")
    assert [layer.name for layer in found.layers] == ["first", "second", "classifier"]
    assert found.uncounted == (Uncounted("MatMul", VARIES),)
    assert "masks" not in found.shapes or 0 in found.shapes["masks"]


def test_network_that_onnxruntime_cannot_run() -> None:
    model = with_gelu()
    model.graph.node[1].domain = "com.acme"
    model.opset_import[-1].domain = "com.acme"
    with pytest.raises(InputError, match=r"it: the shape of tensor 'r1' cannot be known: .*com\.acme.*Gelu"):
        network_of(model, SIZE, "it")


def test_size_that_the_network_cannot_take() -> None:
    model = with_computed_shape()
    for tensor in model.graph.initializer:
        if tensor.name == "head":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.array([2, 8]), "head"))  # twice as much
    with pytest.raises(InputError, match="onnxruntime cannot run it on input"):
        network_of(model, SIZE, "it")


def test_loop_without_an_end_is_ended() -> None:
    kinds = {"i": TensorProto.INT64, "go": TensorProto.BOOL, "on": TensorProto.BOOL}
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Relu", ["s"], ["t"])],
        "body",
        [
            helper.make_tensor_value_info(n, kinds.get(n, 1), [] if n in kinds else None)
            for n in ("i", "go", "s")
        ],
        [helper.make_tensor_value_info(n, kinds.get(n, 1), [] if n in kinds else None) for n in ("on", "t")],
    )
    node = helper.make_node("Loop", ["", "yes", "image"], ["scores"], body=body)
    model = model_of([node], {"yes": np.array(True)}, [1, 3, 4, 4], None)
    with pytest.raises(ModelRefusedError, match=r"not within 0\.2 s"):
        measure(model, model.graph.input[0], limit_s=0.2)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    measure(network(), network().graph.input[0])
    assert list(tmp_path.iterdir()) == []
