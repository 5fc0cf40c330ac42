"""What is added to a response, so that a layer can make up for it."""

import numpy as np
import onnx
import pytest
from onnx import helper

from export.network.layers import network_of
from export.network.shortcut import shortcut_of
from tests.attacks.networks import model_of
from tests.export.small_networks import residual


def shortcuts(model: onnx.ModelProto) -> dict[str, str]:
    network = network_of(model, None, "it")
    return {layer.output: shortcut_of(network, layer) for layer in network.layers}


def test_sum_is_repaired_by_the_later_of_its_two_layers() -> None:
    assert shortcuts(residual()) == {"a": "", "b": "", "c": "", "d": "c"}


def behind(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """A convolution ``a``, and what follows it."""
    weights = {
        "w": np.ones((4, 4, 3, 3), np.float32),
        "row": np.ones((1, 4, 1, 1), np.float32),
    }
    first = helper.make_node("Conv", ["image", "w"], ["a"], pads=[1, 1, 1, 1])
    return model_of([first, *nodes], weights, [1, 4, 8, 8], list("ndhw"))


OTHERS = {
    "another operation": behind(helper.make_node("Sub", ["a", "image"], ["scores"])),
    "added to itself": behind(helper.make_node("Add", ["a", "a"], ["scores"])),
    "of another shape": behind(helper.make_node("Add", ["a", "row"], ["scores"])),
    "with another reader": behind(
        helper.make_node("Add", ["a", "image"], ["s"]), helper.make_node("Mul", ["s", "a"], ["scores"])
    ),
    "made later": behind(
        helper.make_node("Relu", ["image"], ["late"]), helper.make_node("Add", ["a", "late"], ["scores"])
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_sums_that_a_layer_cannot_make_up_for(name: str) -> None:
    assert shortcuts(OTHERS[name])["a"] == ""


@pytest.mark.parametrize(("operation", "shortcut"), [("Add", "early"), ("Sub", ""), ("Mul", "")])
def test_only_a_sum_with_what_was_there_before(operation: str, shortcut: str) -> None:
    model = behind(helper.make_node(operation, ["a", "early"], ["scores"]))
    model.graph.node.insert(0, helper.make_node("Relu", ["image"], ["early"]))
    assert shortcuts(model)["a"] == shortcut
