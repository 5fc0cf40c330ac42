"""Functions that a file defines itself: inlined, counted, and the network is the same."""

from pathlib import Path

import onnx
import pytest
from onnx import helper

from edge_runtime.base.errors import ModelRefusedError
from export.network.layers import read_network
from export.network.load import check, load_model
from export.network.source import read_source
from tests.attacks.networks import network, save
from tests.export.small_networks import assert_equal_outputs, random_images

OWN = helper.make_opsetid("my.layers", 1)


def function(
    name: str, nodes: list[onnx.NodeProto], attributes: list[str] | None = None, opset: int = 17
) -> onnx.FunctionProto:
    """A function of ``X``, ``W`` and ``B`` that gives ``Y``."""
    opsets = [helper.make_opsetid("", opset), OWN]
    return helper.make_function("my.layers", name, ["X", "W", "B"], ["Y"], nodes, opsets, attributes or [])


def convolution(*, padded: bool = False) -> onnx.NodeProto:
    node = helper.make_node("Conv", ["X", "W", "B"], ["T"])
    pads = onnx.AttributeProto(name="pads", type=onnx.AttributeProto.INTS, ref_attr_name="around")
    if padded:
        pads = helper.make_attribute("pads", [1, 1, 1, 1])
    node.attribute.append(pads)
    return node


def calling(*functions: onnx.FunctionProto, **attributes: object) -> onnx.ModelProto:
    """The harmless network, in which the last of some functions does what a convolution and its Relu did."""
    model = network()
    weights = (["image", "w1", "b1"], "r1"), (["r1", "w2", "b2"], "r2")
    calls = [
        helper.make_node(functions[-1].name, inputs, [output], domain="my.layers", **attributes)
        for inputs, output in weights
    ]
    rest = list(model.graph.node)[4:]
    del model.graph.node[:]
    model.graph.node.extend([*calls, *rest])
    model.functions.extend(functions)
    model.opset_import.append(OWN)
    return model


RELU = helper.make_node("Relu", ["T"], ["Y"])
PLAIN = calling(function("Layer", [convolution(padded=True), RELU]))
NESTED = calling(
    function("Inner", [convolution(padded=True), helper.make_node("Identity", ["T"], ["Y"])]),
    function("Layer", [helper.make_node("Inner", ["X", "W", "B"], ["T"], domain="my.layers"), RELU]),
)
WITH_ATTRIBUTE = calling(function("Layer", [convolution(), RELU], ["around"]), around=[1, 1, 1, 1])
OF_ANOTHER_OPSET = calling(function("Layer", [convolution(padded=True), RELU], opset=15))


@pytest.mark.parametrize("model", [PLAIN, NESTED, WITH_ATTRIBUTE, OF_ANOTHER_OPSET])
def test_layers_in_functions_are_layers(model: onnx.ModelProto, tmp_path: Path) -> None:
    save(model, tmp_path / "model.onnx")
    loaded = load_model(read_source(tmp_path / "model.onnx"))
    check(loaded, "the network without functions")
    assert len(loaded.functions) == 0
    assert [opset.domain for opset in loaded.opset_import] == [""]
    assert_equal_outputs(network(), loaded, random_images(3, (3, 16, 16)), tolerance=0)
    found = read_network(read_source(tmp_path / "model.onnx"))
    assert [layer.reason for layer in found.layers] == [None] * 3
    assert (found.macs, found.uncounted) == (16 * 16 * (8 * 27 + 16 * 72) + 4 * 16, ())


def test_function_that_calls_itself(tmp_path: Path) -> None:
    again = helper.make_node("Layer", ["X", "W", "B"], ["T"], domain="my.layers")
    save(calling(function("Layer", [again, RELU])), tmp_path / "model.onnx")
    with pytest.raises(ModelRefusedError, match="recursive"):
        load_model(read_source(tmp_path / "model.onnx"))
