"""Makers of nodes that onnx's checker lets through and that are no layers: each says what stops it."""

from pathlib import Path

import numpy as np
from onnx import AttributeProto, NodeProto, helper

from tests.attacks.networks import SIZE, model_of, network, save


def reference_outside_a_function(path: Path) -> None:
    """An attribute that is to be looked up in a function, in none; stopped by ``attributes``."""
    model = network()
    reference = AttributeProto(name="group", type=AttributeProto.INT, ref_attr_name="elsewhere")
    model.graph.node[0].attribute.append(reference)
    save(model, path)


def no_groups(path: Path) -> None:
    """Divides the channels by zero, where computed weights hide it from onnx; stopped by ``convolutions``."""
    nodes = [
        helper.make_node("Neg", ["w"], ["computed"]),
        helper.make_node("Conv", ["image", "computed"], ["scores"], "ungrouped", group=0),
    ]
    save(model_of(nodes, {"w": np.ones((4, 3, 3, 3), np.float32)}, [1, 3, SIZE, SIZE], list("ndhw")), path)


def unknown_padding(path: Path) -> None:
    """A rule for padding that there is not; stopped by ``attributes`` and by onnxruntime."""
    _with_attribute(path, "auto_pad", "SAME")


def padding_that_is_no_text(path: Path) -> None:
    """Bytes that are no UTF-8; stopped by ``attributes`` and by onnxruntime."""
    _with_attribute(path, "auto_pad", b"\xff\xfe")


def kernel_shape_of_no_kernel(path: Path) -> None:
    """The node and its weights disagree; stopped by ``convolutions`` and by onnxruntime."""
    model = network()
    model.graph.node[0].attribute.append(helper.make_attribute("kernel_shape", [1, 1]))
    save(model, path)


def kernel_beyond_the_image(path: Path) -> None:
    """The response would have fewer than no pixels, and costs below zero; stopped by ``shapes``."""
    nodes = [helper.make_node("Conv", ["image", "w"], ["scores"], "wide")]
    weights = {"w": np.ones((4, 3, SIZE + 5, 3), np.float32)}
    save(model_of(nodes, weights, [1, 3, SIZE, SIZE], list("ndhw")), path)


def name_that_is_no_text(path: Path) -> None:
    """Bytes that are no UTF-8 in the place of a name; stopped by ``load``."""
    path.write_bytes(network().SerializeToString().replace(b"first", b"fir\xff\xfe"))


def foreign_convolution(path: Path) -> None:
    """A Conv of another domain, without weights; stopped by ``attributes.operator`` and by onnxruntime."""
    model = network()
    _make_foreign(model.graph.node[0])
    model.opset_import.append(helper.make_opsetid("foreign", 1))
    save(model, path)


def foreign_product(path: Path) -> None:
    """A Gemm of another domain, without weights; stopped by ``attributes.operator`` and by onnxruntime."""
    model = network()
    _make_foreign(model.graph.node[-1])
    model.opset_import.append(helper.make_opsetid("foreign", 1))
    save(model, path)


def _make_foreign(node: NodeProto) -> None:
    node.domain = "foreign"
    del node.input[1:]


def _with_attribute(path: Path, name: str, value: object) -> None:
    """The harmless network, its first convolution with an attribute that says how to pad."""
    model = network()
    del model.graph.node[0].attribute[:]
    model.graph.node[0].attribute.append(helper.make_attribute(name, value))
    save(model, path)
