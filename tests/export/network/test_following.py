"""The activation behind a layer is recognised, and means what the network does; all else is left alone."""

import numpy as np
import onnx
import pytest
from onnx import helper

from edge_runtime.base.errors import ModelRefusedError
from export.network.following import nonlinearity_after
from tests.attacks.networks import model_of
from tests.export.small_networks import outputs

IMAGE = np.linspace(-9, 9, 3 * 36, dtype=np.float32).reshape(1, 3, 6, 6)


def node(operation: str, *names: str, **attributes: object) -> onnx.NodeProto:
    """The last name is the output."""
    return helper.make_node(operation, list(names[:-1]), [names[-1]], **attributes)


def behind(*nodes: onnx.NodeProto, **weights: float | np.ndarray) -> onnx.ModelProto:
    """A convolution that changes nothing, and what follows its output ``c``."""
    same = np.eye(3, dtype=np.float32)[:, :, None, None]
    arrays = {"w": same, **{name: np.asarray(value, np.float32) for name, value in weights.items()}}
    return model_of([node("Conv", "image", "w", "c"), *nodes], arrays, ["N", 3, 6, 6], list("ndhw"))


def of_opset(version: int, model: onnx.ModelProto) -> onnx.ModelProto:
    model.opset_import[0].version = version
    return model


KNOWN = {
    "relu": behind(node("Relu", "c", "scores")),
    "leaky": behind(node("LeakyRelu", "c", "scores", alpha=0.3)),
    "leaky, its slope not said": behind(node("LeakyRelu", "c", "scores")),
    "relu6": behind(node("Clip", "c", "low", "high", "scores"), low=0, high=6),
    "relu6 whose bounds are vectors": behind(node("Clip", "c", "low", "high", "scores"), low=[0], high=[[6]]),
    "relu6 of old": of_opset(10, behind(node("Clip", "c", "scores", min=0.0, max=6.0))),
    "silu": behind(node("Sigmoid", "c", "s"), node("Mul", "c", "s", "scores")),
    "silu the other way round": behind(node("Sigmoid", "c", "s"), node("Mul", "s", "c", "scores")),
    "hard swish": behind(node("HardSwish", "c", "scores")),
}
UNKNOWN = {
    "nothing": behind(node("Identity", "c", "scores")),
    "another": behind(node("Tanh", "c", "scores")),
    "two readers": behind(node("Relu", "c", "r"), node("Add", "c", "r", "scores")),
    "another sigmoid": behind(
        node("Sigmoid", "c", "s"), node("Mul", "c", "image", "m"), node("Add", "m", "s", "scores")
    ),
    "a falling slope": behind(node("LeakyRelu", "c", "scores", alpha=-0.3)),
    "one bound": behind(node("Clip", "c", "low", "scores"), low=0),
    "one bound of old": of_opset(10, behind(node("Clip", "c", "scores", max=6.0))),
    "bounds the wrong way round": behind(node("Clip", "c", "low", "high", "scores"), low=6, high=0),
    "infinite bounds": behind(node("Clip", "c", "low", "high", "scores"), low=0, high=np.inf),
    "several bounds": behind(node("Clip", "c", "low", "high", "scores"), low=[0, 1], high=6),
    "a computed bound": behind(
        node("ReduceMax", "image", "high", keepdims=0), node("Clip", "c", "low", "high", "scores"), low=0
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_activation_is_what_the_network_does(name: str) -> None:
    found = nonlinearity_after(KNOWN[name], "c")
    assert found is not None
    (expected,) = outputs(KNOWN[name], [IMAGE])
    assert np.allclose(found(IMAGE), expected, atol=1e-6)


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_left_alone(name: str) -> None:
    assert nonlinearity_after(UNKNOWN[name], "c") is None


def test_response_that_leaves_the_network_too() -> None:
    model = behind(node("Relu", "c", "scores"))
    model.graph.output.append(helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, list("nyxv")))
    assert nonlinearity_after(model, "c") is None


def test_function_of_a_known_name_is_not_the_operator() -> None:
    """A file may define functions of any name: this Relu is the opposite of one."""
    model = behind(node("Relu", "c", "scores", domain="my"))
    opset = helper.make_opsetid("", 17)
    model.functions.append(helper.make_function("my", "Relu", ["x"], ["y"], [node("Neg", "x", "y")], [opset]))
    model.opset_import.append(helper.make_opsetid("my", 1))
    onnx.checker.check_model(model, full_check=True)
    assert nonlinearity_after(model, "c") is None


def test_malformed_slope() -> None:
    with pytest.raises(ModelRefusedError, match="alpha of the LeakyRelu"):
        nonlinearity_after(behind(node("LeakyRelu", "c", "scores", alpha=1)), "c")
