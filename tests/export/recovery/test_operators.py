"""Each operator in torch, against onnxruntime, on a network of one node."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")

import torch
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.engines.onnxruntime import open_bytes
from export.recovery.network import TorchNetwork
from export.recovery.operators import OPERATORS
from tests.attacks.networks import model_of
from tests.export.small_networks import relative_difference

IMAGE = (2, 3, 9, 8)
random = np.random.default_rng(0)


def values(*shape: int, low: float = -1.0) -> np.ndarray:
    return random.uniform(low, 1.0, shape).astype(np.float32)


def numbers(*entries: int) -> np.ndarray:
    return np.array(entries, np.int64)


def floats(*entries: float) -> np.ndarray:
    return np.array(entries, np.float32)


NONE = floats()
TWO = numpy_helper.from_array(floats(2.0))
PLACES = "coordinate_transformation_mode"

# Operator, inputs beside the image, attributes.
NODES: list[tuple[str, Sequence[np.ndarray], dict[str, Any]]] = [
    ("Conv", [values(4, 3, 3, 2), values(4)], {"pads": [1, 0, 1, 0], "strides": [2, 1]}),
    ("Conv", [values(4, 3, 3, 3)], {"pads": [2, 1, 0, 1], "dilations": [2, 1]}),
    ("Conv", [values(6, 1, 3, 3)], {"group": 3, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("Conv", [values(6, 3, 2, 4)], {"auto_pad": "SAME_LOWER"}),
    ("Conv", [values(6, 3, 2, 4)], {"auto_pad": "VALID", "strides": [2, 3]}),
    ("ConvTranspose", [values(3, 4, 3, 3), values(4)], {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("ConvTranspose", [values(3, 4, 3, 3)], {"strides": [2, 2], "output_padding": [1, 0]}),
    ("MaxPool", [], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}),
    ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    ("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
    ("MaxPool", [], {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"}),
    ("AveragePool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 0, 0], "count_include_pad": 1}),
    ("AveragePool", [], {"kernel_shape": [2, 3], "auto_pad": "SAME_LOWER"}),
    ("GlobalAveragePool", [], {}),
    ("GlobalMaxPool", [], {}),
    ("BatchNormalization", [values(3), values(3), values(3), values(3, low=0.5)], {"epsilon": 0.01}),
    ("InstanceNormalization", [values(3), values(3)], {}),
    ("LayerNormalization", [values(8), values(8)], {}),
    ("MatMul", [values(8, 5)], {}),
    ("Relu", [], {}),
    ("LeakyRelu", [], {"alpha": 0.3}),
    ("LeakyRelu", [], {}),
    ("PRelu", [values(3, 1, 1)], {}),
    ("Elu", [], {"alpha": 0.7}),
    ("Clip", [floats(-0.2).reshape(()), floats(0.4).reshape(())], {}),
    ("Clip", [NONE, floats(0.4).reshape(())], {}),
    ("Sigmoid", [], {}),
    ("HardSigmoid", [], {"alpha": 0.3}),
    ("HardSwish", [], {}),
    ("Tanh", [], {}),
    ("Softplus", [], {}),
    ("Mish", [], {}),
    ("Softmax", [], {"axis": 1}),
    ("LogSoftmax", [], {}),
    ("Erf", [], {}),
    ("Exp", [], {}),
    ("Abs", [], {}),
    ("Neg", [], {}),
    ("Identity", [], {}),
    ("Dropout", [], {}),
    ("Add", [values(3, 1, 1)], {}),
    ("Sub", [values(8)], {}),
    ("Mul", [values(1, 3, 1, 1)], {}),
    ("Div", [values(3, 1, 1, low=0.5)], {}),
    ("Pow", [floats(2.0)], {}),
    ("Max", [values(3, 1, 1), values(8)], {}),
    ("Min", [values(3, 1, 1)], {}),
    ("Sum", [values(3, 1, 1), values(8)], {}),
    ("ReduceMean", [numbers(2, 3)], {"keepdims": 0}),
    ("ReduceMean", [], {}),
    ("ReduceMax", [numbers(-1)], {}),
    ("ReduceSum", [numbers(1, 3)], {}),
    ("Concat", [values(2, 1, 9, 8)], {"axis": 1}),
    ("Flatten", [], {}),
    ("Flatten", [], {"axis": 2}),
    ("Reshape", [numbers(0, -1, 4)], {}),
    ("Reshape", [numbers(2, 3, 72)], {}),
    ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    ("Transpose", [], {}),
    ("Slice", [numbers(1, -3), numbers(9, 100), numbers(2, 3), numbers(2, 1)], {}),
    ("Slice", [numbers(-1), numbers(-100), numbers(2), numbers(-2)], {}),
    ("Slice", [numbers(0, 1), numbers(2, 3)], {}),
    ("Split", [numbers(4, 5)], {"axis": 2}),
    ("Squeeze", [numbers(1)], {}),
    ("Unsqueeze", [numbers(0, -1)], {}),
    ("Gather", [numbers(2, -1)], {"axis": 1}),
    ("Expand", [numbers(2, 1, 9, 1)], {}),
    ("Pad", [numbers(0, 0, 1, 2, 0, 0, 0, 1), floats(0.5).reshape(())], {}),
    ("Pad", [numbers(0, 0, 1, 2, 0, 0, 3, 1)], {"mode": "reflect"}),
    ("Pad", [numbers(0, 0, 1, 2, 0, 0, 3, 1)], {"mode": "edge"}),
    ("DepthToSpace", [], {"blocksize": 2}),
    ("DepthToSpace", [], {"blocksize": 2, "mode": "CRD"}),
    ("Cast", [], {"to": TensorProto.DOUBLE}),
    ("Resize", [NONE, floats(1, 1, 2, 2)], {PLACES: "asymmetric", "nearest_mode": "floor"}),
    ("Resize", [NONE, floats(1, 1, 1.5, 0.6)], {"nearest_mode": "round_prefer_ceil"}),
    ("Resize", [NONE, floats(1, 1, 2, 1.5)], {"mode": "linear"}),
    ("Resize", [NONE, NONE, numbers(2, 3, 5, 13)], {"mode": "linear", PLACES: "align_corners"}),
    ("Resize", [NONE, NONE, numbers(2, 3, 18, 4)], {"mode": "linear", PLACES: "pytorch_half_pixel"}),
]  # fmt: skip

SHAPES = {"Squeeze": (2, 1, 9, 8), "DepthToSpace": (2, 8, 3, 2), "Sqrt": IMAGE, "Log": IMAGE}


def model_for(
    operator: str, others: Sequence[np.ndarray], attributes: dict[str, Any], opset: int = 18
) -> onnx.ModelProto:
    weights = {f"input{place}": other for place, other in enumerate(others) if other.size}
    names = [f"input{place}" if other.size else "" for place, other in enumerate(others)]
    outputs = ["scores", "rest"] if operator == "Split" else ["scores"]
    model = model_of(
        [helper.make_node(operator, ["image", *names], outputs, **attributes)], weights, [1, 1, 1, 1], None
    )
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, [None] * 4))
    if operator == "Cast":
        model.graph.output[0].type.tensor_type.elem_type = attributes["to"]
    model.opset_import[0].version = opset
    return model


def differences(model: onnx.ModelProto, image: np.ndarray) -> float:
    session = open_bytes(model.SerializeToString(), threads=1)
    expected = session.run(None, {"image": image})[0]
    found = TorchNetwork(model, "it")(torch.from_numpy(image))["scores"]
    assert str(expected.dtype) == str(found.dtype).removeprefix("torch.")
    return relative_difference(expected, found.numpy())


@pytest.mark.parametrize(
    ("operator", "others", "attributes"),
    NODES,
    ids=lambda value: str(value)[:40] if isinstance(value, str | dict) else "",
)
def test_an_operator_answers_as_in_onnxruntime(
    operator: str, others: Sequence[np.ndarray], attributes: dict[str, Any]
) -> None:
    image = values(*SHAPES.get(operator, IMAGE))
    assert differences(model_for(operator, others, attributes), image) <= 1e-5


@pytest.mark.parametrize("operator", ["Sqrt", "Log"])
def test_operators_of_positive_numbers(operator: str) -> None:
    assert differences(model_for(operator, [], {}), values(*IMAGE, low=0.1)) <= 1e-5


@pytest.mark.parametrize(
    ("operator", "others", "attributes", "opset"),
    [
        ("Softmax", [], {"axis": 1}, 11),
        ("Softmax", [], {}, 12),
        ("Clip", [], {"min": -0.1, "max": 0.5}, 6),
        ("Slice", [], {"starts": [1, 2], "ends": [3, 100], "axes": [1, 2]}, 9),
        ("Split", [], {"axis": 2, "split": [4, 5]}, 11),
        ("Split", [], {"axis": 3}, 13),
        ("Squeeze", [], {"axes": [1]}, 11),
        ("Unsqueeze", [], {"axes": [1]}, 11),
        ("Pad", [], {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "value": 0.5}, 10),
        ("Upsample", [floats(1, 1, 2, 3)], {"mode": "nearest"}, 9),
        ("ReduceSum", [], {"axes": [2, 3]}, 11),
        ("ReduceMean", [], {"axes": [2, 3], "keepdims": 0}, 13),
        ("Gelu", [], {}, 20),
        ("Gelu", [], {"approximate": "tanh"}, 20),
    ],
)
def test_operators_as_they_are_in_other_opsets(
    operator: str, others: Sequence[np.ndarray], attributes: dict[str, Any], opset: int
) -> None:
    image = values(*SHAPES.get(operator, IMAGE))
    assert differences(model_for(operator, others, attributes, opset), image) <= 1e-5


def test_shapes_that_are_computed() -> None:
    """Shape, Gather, Unsqueeze, Concat and Reshape, as exporters write a flattening."""
    nodes = [
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["batch"]),
        helper.make_node("Constant", [], ["minus"], value_ints=[-1]),
        helper.make_node("Unsqueeze", ["batch", "first"], ["one"]),
        helper.make_node("Concat", ["one", "minus"], ["target"], axis=0),
        helper.make_node("Reshape", ["image", "target"], ["flat"]),
        helper.make_node("ConstantOfShape", ["target_shape"], ["ones"], value=TWO),
        helper.make_node("Mul", ["flat", "ones"], ["scores"]),
    ]  # fmt: skip
    weights = {"zero": np.array(0), "first": numbers(0), "target_shape": numbers(1, 216)}
    model = model_of(nodes, weights, ["N", 3, 9, 8], ["N", 216])
    assert differences(model, values(*IMAGE)) <= 1e-6


def test_where() -> None:
    nodes = [helper.make_node("Where", ["mask", "image", "other"], ["scores"])]
    weights = {"mask": values(9, 8) > 0, "other": values(3, 1, 1)}
    assert differences(model_of(nodes, weights, ["N", 3, 9, 8], ["N", 3, 9, 8]), values(*IMAGE)) == 0


def test_gemm() -> None:
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["scores"], transB=1, alpha=0.5, beta=2.0),
    ]
    weights = {"w": values(7, 216), "b": values(7)}
    assert differences(model_of(nodes, weights, ["N", 3, 9, 8], ["N", 7]), values(*IMAGE)) <= 1e-5


def test_whole_numbers_divide_as_such() -> None:
    nodes = [
        helper.make_node("Cast", ["image"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Div", ["whole", "two"], ["half"]),
        helper.make_node("Cast", ["half"], ["scores"], to=TensorProto.FLOAT),
    ]
    model = model_of(nodes, {"two": numbers(2)}, [2, 3, 9, 8], [2, 3, 9, 8])
    assert differences(model, 9 * values(*IMAGE)) == 0


def test_a_file_for_one_image_runs_on_several() -> None:
    nodes = [helper.make_node("Reshape", ["image", "shape"], ["scores"])]
    model = model_of(nodes, {"shape": numbers(1, -1, 72)}, [1, 3, 9, 8], [1, 3, 72])
    image = values(*IMAGE)
    found = TorchNetwork(model, "it")(torch.from_numpy(image))["scores"].numpy()
    assert np.array_equal(found, image.reshape(2, 3, 72))


def test_every_operator_is_tried() -> None:
    elsewhere = {"Constant", "ConstantOfShape", "Gelu", "Gemm", "Log", "Shape", "Sqrt", "Upsample", "Where"}
    assert {operator for operator, _, _ in NODES} | elsewhere == set(OPERATORS)


@pytest.mark.parametrize(
    ("operator", "others", "attributes", "says"),
    [
        ("Resize", [NONE, floats(1, 1, 2, 2)], {"mode": "cubic"}, "other than nearest or linear"),
        ("Pad", [numbers(0, 0, 1, 2, 0, 0, 3, 1)], {"mode": "wrap"}, "by such a rule"),
        ("AveragePool", [], {"kernel_shape": [2, 2], "dilations": [2, 2]}, "with dilation"),
        ("ConvTranspose", [values(3, 4, 3, 3)], {"auto_pad": "SAME_UPPER"}, "uneven or automatic pads"),
    ],
)
def test_what_an_operator_cannot_do_is_named_with_its_layer(
    operator: str, others: Sequence[np.ndarray], attributes: dict[str, Any], says: str
) -> None:
    model = model_for(operator, others, attributes)
    model.graph.node[0].name = "layer3"
    with pytest.raises(ModelRefusedError, match=rf"{operator} \(layer 'layer3'\) .*{says}"):
        TorchNetwork(model, "it")(torch.zeros(IMAGE))


def test_an_unknown_operator_is_named_with_its_layer() -> None:
    model = model_for("Det", [], {})
    with pytest.raises(ModelRefusedError, match=r"the operator Det \(layer 'scores'\)"):
        TorchNetwork(model, "it")
