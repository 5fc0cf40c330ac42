"""Outputs that are longer for one image than for another are known before anything is compared by them."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model.card import InputSpec, ModelCard
from export.judge.output_shapes import require_comparable, varying_outputs
from export.network.source import read_source
from tests.attacks.command_line import assert_one_line, run_here
from tests.attacks.images import good_images
from tests.attacks.networks import SIZE, model_of, save

CARD = f'{{"input": {{"size": [{SIZE}, {SIZE}]}}, "task": "%s"}}'


def suppressing(threshold: float = 0.55, selected: list[int | str] | None = None) -> onnx.ModelProto:
    """Boxes and scores from a convolution; an output of those that its own suppression keeps."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], "conv"),
        helper.make_node("Reshape", ["c", "columns"], ["r"]),
        helper.make_node("Transpose", ["r"], ["rows"], perm=[0, 2, 1]),
        helper.make_node("Split", ["rows", "parts"], ["scores", "raw"], axis=2),
        helper.make_node("Sigmoid", ["raw"], ["s"]),
        helper.make_node("Transpose", ["s"], ["t"], perm=[0, 2, 1]),
        helper.make_node("NonMaxSuppression", ["scores", "t", "most", "iou", "score"], ["selected"]),
    ]
    weights = {
        "w": np.random.default_rng(0).normal(0, 0.002, (6, 3, 3, 3)).astype(np.float32),
        "columns": np.array([1, 6, -1]),
        "parts": np.array([4, 2]),
        "most": np.array([5]),
        "iou": np.array([0.5], np.float32),
        "score": np.array([threshold], np.float32),
    }
    model = model_of(nodes, weights, [1, 3, SIZE, SIZE], [1, (SIZE - 2) ** 2, 4])
    shape = ["kept", 3] if selected is None else selected
    model.graph.output.append(helper.make_tensor_value_info("selected", TensorProto.INT64, shape))
    return model


def padded() -> onnx.ModelProto:
    """The same, as many rows as may be kept filled up with zeros, as TensorFlow's detectors give them."""
    model = suppressing()
    model.graph.node[-1].output[0] = "some"
    extra = {"none": np.zeros((10, 3), np.int64), "first": np.array([0]), "last": np.array([10])}
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in extra.items())
    model.graph.node.extend(
        [
            helper.make_node("Concat", ["some", "none"], ["more"], axis=0),
            helper.make_node("Slice", ["more", "first", "last", "first"], ["selected"]),
        ]
    )
    dim = model.graph.output[1].type.tensor_type.shape.dim[0]
    dim.Clear()
    dim.dim_value = 10
    return model


def in_a_function() -> onnx.ModelProto:
    model = suppressing(threshold=2.0)
    suppression = model.graph.node.pop()
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(
        helper.make_function("own", "Keep", suppression.input, suppression.output, [suppression], opset)
    )
    model.opset_import.append(helper.make_opsetid("own", 1))
    call = helper.make_node("Keep", suppression.input, suppression.output, domain="own")
    model.graph.node.append(call)
    return model


def found(model: onnx.ModelProto, folder: Path, task: str = "raw") -> tuple[Model, onnx.ModelProto]:
    save(model, folder / "model.onnx")
    source = read_source(folder / "model.onnx")
    return Model(source.network(1), ModelCard(InputSpec((SIZE, SIZE)), task=task)), source.proto


@pytest.mark.parametrize(
    ("model", "varying"),
    [
        (suppressing(), ("selected",)),
        (suppressing(threshold=2.0), ("selected",)),  # nothing is ever kept of the images that are tried
        (suppressing(selected=[10, 3]), ("selected",)),  # the file says that the length is fixed
        (in_a_function(), ("selected",)),
        (padded(), ()),
    ],
    ids=["suppression", "nothing kept", "declared as fixed", "in a function", "padded"],
)
def test_which_outputs_vary(model: onnx.ModelProto, varying: tuple[str, ...], tmp_path: Path) -> None:
    assert varying_outputs(*found(model, tmp_path)) == varying


def test_a_free_batch_and_a_free_size_are_no_variation(tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["image", "w"], ["scores"], pads=[1, 1, 1, 1])]
    weights = {"w": np.ones((2, 3, 3, 3), np.float32)}
    model = model_of(nodes, weights, ["N", 3, "H", "W"], ["N", 2, "height", "width"])
    assert varying_outputs(*found(model, tmp_path)) == ()


@pytest.mark.parametrize("task", ["raw", "classify"])
def test_without_a_decoder_they_cannot_be_compared(task: str, tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="how long output 'selected' is depends on the image"):
        require_comparable(*found(suppressing(), tmp_path, task))
    require_comparable(*found(padded(), tmp_path, task))


def test_a_detector_is_compared_by_what_its_decoder_finds(tmp_path: Path) -> None:
    require_comparable(*found(suppressing(), tmp_path, "detect"))


@pytest.mark.parametrize("command", ["reduce", "evaluate"])
def test_the_commands_say_so_before_any_image_is_read(command: str, tmp_path: Path) -> None:
    save(suppressing(), tmp_path / "model.onnx")
    (tmp_path / "model.json").write_text(CARD % "raw")
    good_images(tmp_path / "images", count=12)
    output = ["-o", tmp_path / "out.onnx"] if command == "reduce" else []
    outcome = run_here(
        command,
        tmp_path / "model.onnx",
        "--images",
        tmp_path / "images",
        "--input",
        tmp_path / "model.json",
        *output,
    )
    assert_one_line(outcome, 3, "depends on the image")
