"""A node's attributes are what was asked for, or one line says what they should be."""

import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper

from edge_runtime.base.errors import ModelRefusedError
from export.network.attributes import Attributes, operator

MODES = ("NOTSET", "VALID")


def node(**attributes: object) -> onnx.NodeProto:
    return helper.make_node("Conv", ["x", "w"], ["y"], "conv", **attributes)


def with_attribute(attribute: AttributeProto) -> Attributes:
    bare = node()
    bare.attribute.append(attribute)
    return Attributes(bare)


def read_all(attributes: Attributes) -> tuple[object, ...]:
    return (
        attributes.integer("group", 1),
        attributes.integers("strides", (1, 1)),
        attributes.number("alpha", 0.01),
        attributes.text("auto_pad", "NOTSET", MODES),
    )


def test_what_is_set_is_read() -> None:
    attributes = Attributes(node(group=3, strides=[2, 5], alpha=0.5, auto_pad="VALID"))
    assert read_all(attributes) == (3, (2, 5), 0.5, "VALID")


def test_what_is_not_set_is_the_default() -> None:
    assert read_all(Attributes(node())) == (1, (1, 1), 0.01, "NOTSET")


WRONG = {
    "group": [1.0, [1], "1", helper.make_tensor("t", TensorProto.INT64, [], [1])],
    "strides": [1, [1], [], [1, 1, 1], [1.0, 1.0], "11"],
    "alpha": [1, [0.01], "0.01"],
    "auto_pad": [1, "SAME", "valid", b"\xff\xfe", ["VALID"]],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_anything_else_is_refused_in_one_line(name: str, value: object) -> None:
    empty = AttributeProto(name=name, type=AttributeProto.INTS)
    attributes = with_attribute(empty if value == [] else helper.make_attribute(name, value))
    with pytest.raises(ModelRefusedError, match=f"^{name} of the Conv 'conv' must be ") as caught:
        read_all(attributes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "attribute",
    [
        AttributeProto(name="group", type=AttributeProto.INT, ref_attr_name="elsewhere"),
        AttributeProto(name="group", type=AttributeProto.FLOAT, i=1),
        AttributeProto(name="group", i=1),
    ],
    ids=["a reference", "of a wrong type", "of no type"],
)
def test_attribute_that_holds_no_value_of_its_type(attribute: AttributeProto) -> None:
    with pytest.raises(ModelRefusedError, match="group of the Conv 'conv' must be a whole number"):
        with_attribute(attribute).integer("group", 1)


def test_node_without_a_name_goes_by_its_output() -> None:
    bare = helper.make_node("LeakyRelu", ["x"], ["y"], alpha=1)
    with pytest.raises(ModelRefusedError, match="alpha of the LeakyRelu 'y' must be a number"):
        Attributes(bare).number("alpha", 0.01)


def test_operators_of_other_domains_are_others() -> None:
    assert operator(node()) == operator(node(domain="ai.onnx")) == "Conv"
    assert operator(node(domain="com.example")) == "com.example::Conv"
