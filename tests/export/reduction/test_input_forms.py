"""Whatever form of input a network has, what lies behind it is reduced as in the plain network."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model.card import METADATA_KEY
from edge_runtime.model.engines.onnxruntime import open_network
from edge_runtime.model.golden import golden_error
from export.judge.evaluate import evaluate
from export.network.inspection import inspect
from export.reduction.file import Delivery, reduce
from tests.attacks.images import good_images
from tests.attacks.networks import CLASSES, SIZE, network, save

PIXELS = {"input": {"size": [SIZE, SIZE]}}


def plain() -> onnx.ModelProto:
    """Takes pixels as they are, and scales them itself."""
    model = network()
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=json.dumps(PIXELS))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.01), "scale"))
    model.graph.node[0].input[0] = "scaled"
    model.graph.node.insert(0, helper.make_node("Mul", ["image", "scale"], ["scaled"]))
    return model


def begun_with(model: onnx.ModelProto, op_type: str, **attributes: object) -> onnx.ModelProto:
    """The model with another operator between its input and what it did first."""
    tensor = f"{op_type}_of_image"
    model.graph.node[0].input[0] = tensor
    model.graph.node.insert(0, helper.make_node(op_type, ["image"], [tensor], **attributes))
    return model


def channels_last(model: onnx.ModelProto, size: int | str = SIZE) -> onnx.ModelProto:
    begun_with(model, "Transpose", perm=[0, 3, 1, 2])
    element = model.graph.input[0].type.tensor_type.elem_type
    shape = ["N", size, size, 3]
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", element, shape))
    return model


def taking(model: onnx.ModelProto, element: int) -> onnx.ModelProto:
    model.graph.input[0].type.tensor_type.elem_type = element
    return begun_with(model, "Cast", to=TensorProto.FLOAT)


def giving_half(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.node[-1].output[0] = "full"
    model.graph.node.append(helper.make_node("Cast", ["full"], ["scores"], to=TensorProto.FLOAT16))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def half_throughout() -> onnx.ModelProto:
    model = plain()
    for tensor in model.graph.initializer:
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


FORMS: dict[str, Callable[[], onnx.ModelProto]] = {
    "channels last": lambda: channels_last(plain()),
    "channels last, any size": lambda: channels_last(plain(), "side"),
    "pixels": lambda: taking(plain(), TensorProto.UINT8),
    "pixels, channels last": lambda: channels_last(taking(plain(), TensorProto.UINT8)),
    "half": lambda: taking(plain(), TensorProto.FLOAT16),
    "half at both ends": lambda: giving_half(taking(plain(), TensorProto.FLOAT16)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    good_images(tmp_path / "images", count=16)
    return tmp_path


def reduced(model: onnx.ModelProto, folder: Path, name: str) -> Delivery:
    save(model, folder / f"{name}.onnx")
    return reduce(
        folder / f"{name}.onnx",
        folder / "images",
        folder / f"{name}-reduced.onnx",
        speedup=1.5,
        max_drop_percent=100,
        threads=1,
    )


@pytest.mark.parametrize("form", FORMS)
def test_the_same_weights_come_out(form: str, folder: Path) -> None:
    expected, delivery = reduced(plain(), folder, "plain"), reduced(FORMS[form](), folder, "other")
    assert delivery.reduction.speedup == expected.reduction.speedup > 1.5
    wanted = {t.name: numpy_helper.to_array(t) for t in expected.reduction.model.graph.initializer}
    found = {t.name: numpy_helper.to_array(t) for t in delivery.reduction.model.graph.initializer}
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_runs_and_knows_its_answer(form: str, folder: Path) -> None:
    delivery = reduced(FORMS[form](), folder, "it")
    assert delivery.path is not None
    network = open_network(delivery.path, threads=1)
    card = network.card()
    assert card.input.layout == ("NHWC" if "last" in form else "NCHW")
    assert golden_error(network, card) < 1e-6
    original = Model.open(folder / "it.onnx")
    image = np.random.default_rng(3).integers(0, 256, (40, 50, 3), np.uint8)
    assert network.run(Model(network, card).preprocess(image))[0].dtype == np.float32
    assert len(original(image).predictions()) == CLASSES


@pytest.mark.parametrize("form", FORMS)
def test_inspect_and_evaluate_take_it(form: str, folder: Path) -> None:
    save(FORMS[form](), folder / "it.onnx")
    save(plain(), folder / "plain.onnx")
    inspection, expected = inspect(folder / "it.onnx"), inspect(folder / "plain.onnx")
    assert inspection.macs == expected.macs
    assert inspection.to_document()["input_layout"] == ("NHWC" if "last" in form else "NCHW")
    both = evaluate([folder / "plain.onnx", folder / "it.onnx"], folder / "images", threads=1)
    assert both.scores[1].agreement_percent == pytest.approx(100.0, abs=1e-3)


def test_weights_of_half_precision_are_refused_with_the_remedy(folder: Path) -> None:
    with pytest.raises(ModelRefusedError, match="weights of this network are float16: save it in float32"):
        reduced(half_throughout(), folder, "half")
    reasons = {layer.reason for layer in inspect(folder / "half.onnx").layers}
    assert reasons == {"weights are float16, not float"}


def test_a_network_of_half_precision_answers_as_the_full_one(folder: Path) -> None:
    save(half_throughout(), folder / "half.onnx")
    save(plain(), folder / "plain.onnx")
    image = np.random.default_rng(3).integers(0, 256, (40, 50, 3), np.uint8)
    half, full = (Model.open(folder / f"{name}.onnx")(image).predictions() for name in ("half", "plain"))
    assert [each.index for each in half] == [each.index for each in full]
    np.testing.assert_allclose([p.score for p in half], [p.score for p in full], atol=5e-3)
