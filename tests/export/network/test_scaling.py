"""Values made smaller by powers of two: not a digit of the outputs changes."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.network.scaling import scaled_down
from export.precision.output_error import responses_on
from tests.attacks.networks import model_of, network
from tests.export.small_networks import outputs, random_images, residual, with_branch, with_heads

PADS = {"pads": [1, 1, 1, 1]}


def magnitudes(model: onnx.ModelProto, images: list[np.ndarray]) -> dict[str, float]:
    names = sorted({name for node in model.graph.node for name in node.output if name})
    values = responses_on(model, names, images, 1)
    return {name: float(np.abs(each).max()) for name, each in zip(names, values, strict=True)}


def images_of(model: onnx.ModelProto) -> list[np.ndarray]:
    shape = [length.dim_value for length in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    return [1000 * image for image in random_images(4, shape)]


def weight(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def with_root(*, twice: bool = False, shown: bool = False) -> onnx.ModelProto:
    """As vgg19 ends: a pool, its square root, a layer; the root may be an output, or be read by another."""
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c"], **PADS),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("AveragePool", ["r"], ["p"], kernel_shape=[2, 2]),
        helper.make_node("Sqrt", ["p"], ["s"]),
        *([helper.make_node("Sqrt", ["s"], ["t"])] if twice else []),
        helper.make_node("Conv", ["t" if twice else "s", "w2"], ["scores"]),
    ]
    weights = {"w1": weight(4, 3, 3, 3), "w2": weight(2, 4, 1, 1, seed=1)}
    model = model_of(nodes, weights, [1, 3, 8, 8], None)
    if shown:
        model.graph.output.append(onnx.ValueInfoProto(name="s"))
    return model


def one_weight_twice() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], **PADS),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w"], ["scores"], **PADS),
    ]
    return model_of(nodes, {"w": weight(3, 3, 3, 3)}, [1, 3, 8, 8], None)


def two_roots_of_one() -> onnx.ModelProto:
    model = with_root()
    model.graph.node.append(helper.make_node("Sqrt", ["p"], ["other"]))
    model.graph.output.append(onnx.ValueInfoProto(name="other"))
    return model


NETWORKS = {
    "chain": network,
    "residual": residual,
    "heads": with_heads,
    "branch": with_branch,
    "root": with_root,
    "root of a root": lambda: with_root(twice=True),
    "root that is shown": lambda: with_root(shown=True),
    "two roots of one": two_roots_of_one,
    "one weight twice": one_weight_twice,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_outputs_stay_to_the_last_bit(name: str) -> None:
    model = NETWORKS[name]()
    before = model.SerializeToString()
    images = images_of(model)
    scaled = scaled_down(model, magnitudes(model, images), 4.0)
    assert model.SerializeToString() == before
    for expected, found in zip(outputs(model, images), outputs(scaled, images), strict=True):
        np.testing.assert_array_equal(found, expected)


INNER = {
    "chain": {"c1", "r1", "c2", "r2", "p", "f"},
    "residual": {"a", "b", "r"},
    "heads": {"step0", "relu3", "inside0"},
    "root": {"c", "r", "p"},
}


@pytest.mark.parametrize("name", INNER)
def test_what_lies_between_comes_below_what_is_wanted(name: str) -> None:
    model = NETWORKS[name]()
    images = images_of(model)
    reached = magnitudes(model, images)
    scaled = magnitudes(scaled_down(model, reached, 4.0), images)
    assert all(scaled[each] <= 4 < reached[each] for each in INNER[name])


def test_what_is_small_enough_stays() -> None:
    model = network()
    reached = dict.fromkeys(["c1", "r1", "c2"], 3.9)
    assert scaled_down(model, reached, 4.0).SerializeToString() == model.SerializeToString()


def test_a_sum_with_a_constant_is_not_scaled() -> None:
    model = network()
    model.graph.node[1].op_type = "Add"
    model.graph.node[1].input.append("offset")
    model.graph.initializer.append(numpy_helper.from_array(np.float32(7), "offset"))
    images = images_of(model)
    scaled = scaled_down(model, magnitudes(model, images), 4.0)
    for expected, found in zip(outputs(model, images), outputs(scaled, images), strict=True):
        np.testing.assert_array_equal(found, expected)
