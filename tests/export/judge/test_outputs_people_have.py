"""Classifiers whose outputs are not one score for each class: what is told of their reduction is true.

Made of a trained network by putting other outputs on its probabilities. Each was once said to agree by 100 %
after a reduction that had changed most of its answers.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export import evaluate, reduce
from export.calibrate.images import find_images

CLASSES = 43
CARD = '{{"task": "classify", "labels": {labels}, "input": {{"size": [30, 30], "colour": "RGB"}}}}'


def output(name: str, *shape: object, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["N", *shape])


def label_and_scores(model: onnx.ModelProto, scores: str) -> tuple[list[onnx.ValueInfoProto], str]:
    """The number of the best class first, as exported by some libraries of classical learning."""
    model.graph.node.append(helper.make_node("ArgMax", [scores], ["label"], axis=1, keepdims=0))
    return [output("label", kind=TensorProto.INT64), output(scores, CLASSES)], str(CLASSES)


def yes_or_no(model: onnx.ModelProto, scores: str) -> tuple[list[onnx.ValueInfoProto], str]:
    """Is it one of the first nine signs?"""
    groups = np.zeros((CLASSES, 1), np.float32)
    groups[:9] = 1
    return [summed(model, scores, groups)], '["no", "yes"]'


def tags(model: onnx.ModelProto, scores: str) -> tuple[list[onnx.ValueInfoProto], str]:
    """Six properties that some of the signs have."""
    groups = (np.random.default_rng(0).random((CLASSES, 6)) < 0.4).astype(np.float32)
    return [summed(model, scores, groups)], '["a", "b", "c", "d", "e", "f"]'


def summed(model: onnx.ModelProto, scores: str, groups: np.ndarray) -> onnx.ValueInfoProto:
    model.graph.initializer.append(numpy_helper.from_array(groups, "groups"))
    model.graph.node.append(helper.make_node("MatMul", [scores, "groups"], ["sums"]))
    return output("sums", groups.shape[1])


@pytest.mark.assets
@pytest.mark.parametrize("change", [label_and_scores, yes_or_no, tags])
def test_what_is_told_of_a_reduction_is_true(
    change: Callable[[onnx.ModelProto, str], tuple[list[onnx.ValueInfoProto], str]],
    assets: Path,
    tmp_path: Path,
) -> None:
    model = onnx.load(assets / "models" / "gtsrb_cnn.onnx")
    outputs, labels = change(model, model.graph.output[0].name)
    del model.graph.output[:]
    del model.metadata_props[:]
    model.graph.output.extend(outputs)
    path = tmp_path / "network.onnx"
    onnx.save(model, path)
    path.with_suffix(".json").write_text(CARD.format(labels=labels))
    unseen = tmp_path / "unseen"
    unseen.mkdir()
    for number, file in enumerate(find_images(assets / "images" / "gtsrb" / "test").files[::6]):
        (unseen / f"{number}.png").symlink_to(file.path.resolve())

    delivery = reduce(
        path, assets / "images" / "gtsrb" / "calibration", tmp_path / "reduced.onnx",
        speedup=300, max_drop_percent=10, max_images=120,
    )  # fmt: skip
    assert delivery.path is not None
    assert not delivery.reduction.reached
    told = delivery.reduction.agreement
    assert told is not None
    assert told.loss_percent(10, surely=True) <= 10

    (_, after) = evaluate([path, delivery.path], unseen).scores
    # Images apart are of the folder that was fitted on, and the ratio was chosen by them: a little is lost.
    assert after.agreement.percent >= told.worst.low_percent - 10
