"""A layer is the tensor that it writes: names may repeat, be empty, or be those of other things."""

from collections.abc import Callable

import onnx
import pytest

from export.methods.channel import Channel
from export.network.layers import network_of
from tests.export.reductions import FACTORS, assert_report_is_true, reduce
from tests.export.small_networks import assert_equal_outputs, images_for, with_heads


def renamed(name_of: Callable[[int], str]) -> onnx.ModelProto:
    model = with_heads()
    for index, node in enumerate(model.graph.node):
        node.name = name_of(index)
    return model


NAMINGS: dict[str, Callable[[int], str]] = {
    "repeated": lambda _: "same",
    "empty": lambda _: "",
    "repeated in pairs": lambda index: f"pair{index // 2}",
    "clashing with tensors": lambda index: ("head0", "step1", "scores", "image")[index % 4],
    "clashing with what replaces them": lambda index: f"same/channel_{index % 3}",
}


@pytest.fixture(params=NAMINGS)
def model(request: pytest.FixtureRequest) -> onnx.ModelProto:
    return renamed(NAMINGS[request.param])


def test_no_more_is_reduced_than_was_asked_for(model: onnx.ModelProto) -> None:
    reduction = reduce(model, target=1.7, methods=FACTORS)
    expected = reduce(with_heads(), target=1.7, methods=FACTORS)
    assert reduction.speedup == expected.speedup
    assert 1.7 <= reduction.speedup < 2.0
    assert [layer.output for layer in reduction.layers] == [layer.output for layer in expected.layers]
    assert [layer.ranks for layer in reduction.layers] == [layer.ranks for layer in expected.layers]
    assert_report_is_true(model, reduction)


def test_only_the_layer_decided_on_is_replaced(model: onnx.ModelProto) -> None:
    layers = network_of(model, None, "it").layers
    decision = {layers[3].output: Channel().candidate(layers[3], (2,), 0.0)}
    reduction = reduce(model, methods=(Channel(),), decision=decision)
    assert [layer.output for layer in reduction.layers if layer.method] == [layers[3].output]
    untouched = [layer for layer in reduction.layers if not layer.method]
    assert all(layer.macs_after == layer.macs_before for layer in untouched)


def test_new_nodes_have_names_of_their_own(model: onnx.ModelProto) -> None:
    reduction = reduce(model, target=1.7, methods=FACTORS)
    before = {tensor for node in model.graph.node for tensor in node.output}
    written = [tensor for node in reduction.model.graph.node for tensor in node.output]
    assert len(set(written)) == len(written)
    added = [n.name for n in reduction.model.graph.node if not before.issuperset(n.output)]
    assert added
    assert all(added)
    assert len(set(added)) == len(added)


def test_names_change_nothing_of_the_result(model: onnx.ModelProto) -> None:
    reduction = reduce(model, target=1.7, methods=FACTORS)
    expected = reduce(with_heads(), target=1.7, methods=FACTORS)
    images = images_for(network_of(model, None, "it"), 3)
    for node in reduction.model.graph.node:
        node.name = ""  # onnxruntime refuses names that repeat
    assert_equal_outputs(expected.model, reduction.model, images, tolerance=0)
