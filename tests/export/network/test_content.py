"""What of a tensor depends on what the image shows, against what two different images really give."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.network.content import image_dependence
from export.network.layers import network_of
from tests.attacks.networks import model_of, network
from tests.export.small_networks import outputs

IMAGE = [1, 3, 4, 5]


def ops(*nodes: onnx.NodeProto, **weights: object) -> onnx.ModelProto:
    arrays = {name: np.asarray(array) for name, array in weights.items()}
    return model_of(list(nodes), arrays, list(IMAGE), None)


def node(kind: str, *names: str, **attributes: object) -> onnx.NodeProto:
    """The last name is the output."""
    return helper.make_node(kind, list(names[:-1]), [names[-1]], **attributes)


COUNT = node("ReduceSum", "image", "sum", keepdims=0), node("Cast", "sum", "count", to=TensorProto.INT64)
LENGTH = (*COUNT, node("Unsqueeze", "count", "zero", "length"))
POSITIVE = node("Greater", "image", "nothing", "positive")
FLOATS = {"nothing": np.float32(0), "zero": np.array([0])}

# name: nodes, whether the values of scores depend on the image, whether its shape does
CASES = {
    "a Relu": ((node("Relu", "image", "scores"),), True, False),
    "the sides": ((node("Shape", "image", "scores"),), False, False),
    "zeros of the sides": (
        (node("Shape", "image", "s"), node("ConstantOfShape", "s", "scores")),
        False,
        False,
    ),
    "a constant": ((node("Neg", "nothing", "scores"),), False, False),
    "what is positive": ((POSITIVE, node("NonZero", "positive", "scores")), True, True),
    "how many are positive": (
        (POSITIVE, node("NonZero", "positive", "where"), node("Shape", "where", "scores")),
        True,
        False,
    ),
    "as many zeros as the sum": ((*LENGTH, node("ConstantOfShape", "length", "scores")), True, True),
    "as often as the sum": ((*LENGTH, node("Expand", "nothing", "length", "scores")), True, True),
    "a count": ((*COUNT, node("Range", "first", "count", "step", "scores")), True, True),
    "the best": ((node("Flatten", "image", "f"), node("ArgMax", "f", "scores", axis=1)), True, False),
}


@pytest.mark.parametrize("name", CASES)
def test_dependence_is_what_images_show(name: str) -> None:
    nodes, values, shape = CASES[name]
    model = ops(*nodes, **FLOATS, first=np.int64(0), step=np.int64(1))
    found = image_dependence(model, "image").get("scores")
    assert (found is not None and found.values, found is not None and found.shape) == (values, shape)
    random = np.random.default_rng(0)
    few, many = (random.uniform(low, low + 1, IMAGE).astype(np.float32) for low in (-0.4, -0.1))
    del model.graph.output[:]
    model.graph.output.append(helper.make_empty_tensor_value_info("scores"))
    one, other = outputs(model, [few, many])
    assert (one.shape != other.shape) == shape
    assert (one.shape != other.shape or not np.array_equal(one, other)) == values


def test_layer_that_computes_the_same_for_every_image_is_left_alone() -> None:
    """A table of places, refined by a fully connected layer: nothing of the image goes in."""
    model = network()
    arrays = {"places": np.ones((6, 5), np.float32), "refine": np.ones((5, 4), np.float32)}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in arrays.items())
    model.graph.node.extend(
        [node("Neg", "places", "negative"), node("Gemm", "negative", "refine", "refined", name="places")]
    )
    model.graph.output.append(helper.make_tensor_value_info("refined", TensorProto.FLOAT, [6, 4]))
    reasons = {layer.name: layer.reason for layer in network_of(model, None, "it").layers}
    assert reasons["places"] == "computes the same for every image"
    assert reasons["first"] is None
