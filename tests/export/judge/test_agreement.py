"""The judge of a reduction: the original agrees with itself, a changed network less."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge_runtime.model.card import ModelCard, read_card_file
from export.judge.agreement import kept_variance_percent, same_class_percent
from export.judge.judge import Judge
from tests.conftest import AssetModel


def spoiled(model: onnx.ModelProto, share: float) -> onnx.ModelProto:
    """A copy whose weights are disturbed by a share of their spread."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    generator = np.random.default_rng(0)
    for tensor in result.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 1:
            noise = generator.standard_normal(values.shape).astype(np.float32) * values.std() * share
            tensor.CopyFrom(numpy_helper.from_array(values + noise, tensor.name))
    return result


def inputs(card: ModelCard, scale: float) -> list[np.ndarray]:
    generator = np.random.default_rng(1)
    shape = (1, 3, *card.input.size)
    return [(generator.uniform(0, scale, shape)).astype(np.float32) for _ in range(12)]


@pytest.mark.parametrize(("name", "scale"), [("gtsrb_cnn", 255.0), ("facemask_ssd", 1.0)])
def test_agreement_is_whole_with_itself_and_falls_with_noise(
    asset_model: AssetModel, name: str, scale: float
) -> None:
    path = asset_model(name)
    card, model = read_card_file(path.with_suffix(".json")), onnx.load(path)
    judge = Judge(card, model, inputs(card, scale), 1)
    assert judge(model) == 100.0
    raw = Judge(ModelCard(card.input, task="raw"), model, inputs(card, scale), 1)
    assert raw(model) == 100.0
    assert raw(spoiled(model, 1.0)) < raw(spoiled(model, 0.01)) < 100.0


def test_same_class_counts_images() -> None:
    first = [[np.eye(3, dtype=np.float32)[None, i]] for i in (0, 1, 2, 2)]
    second = [[np.eye(3, dtype=np.float32)[None, i]] for i in (0, 1, 2, 0)]
    assert same_class_percent(first, second) == 75.0


def test_constant_outputs_are_kept_or_not() -> None:
    constant = [[np.ones((1, 2), np.float32)]] * 3
    assert kept_variance_percent(constant, constant) == 100.0
    assert kept_variance_percent(constant, [[np.zeros((1, 2), np.float32)]] * 3) == 0.0
