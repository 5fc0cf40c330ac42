"""The judge of a reduction: the original agrees with itself, a changed network less."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import InputSpec, ModelCard, read_card_file
from edge_runtime.model.engines.onnxruntime import open_bytes
from export.calibrate.calibration_set import calibration_of
from export.calibrate.inputs import KeptInputs
from export.judge.judge import Judge
from tests.attacks.networks import network
from tests.conftest import AssetModel
from tests.export.small_networks import Array, random_images

CARD = ModelCard(InputSpec((16, 16)))


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


def kept(folder: Path, inputs: Sequence[Array]) -> KeptInputs:
    return calibration_of([], folder, apart=inputs).apart


@pytest.mark.parametrize(("name", "scale"), [("gtsrb_cnn", 255.0), ("facemask_ssd", 1.0)])
def test_agreement_is_whole_with_itself_and_falls_with_noise(
    asset_model: AssetModel, name: str, scale: float, tmp_path: Path
) -> None:
    path = asset_model(name)
    card, model = read_card_file(path.with_suffix(".json")), onnx.load(path)
    random = np.random.default_rng(1)
    shape = (1, 3, *card.input.size)
    inputs = kept(tmp_path, [random.uniform(0, scale, shape).astype(np.float32) for _ in range(12)])
    judge = Judge(card, model, inputs, 1)
    assert judge(model).percent == 100.0
    raw = Judge(ModelCard(card.input, task="raw"), model, inputs, 1)
    assert raw(model).percent == 100.0
    assert raw(spoiled(model, 1.0)).percent < raw(spoiled(model, 0.01)).percent < 100.0


def test_no_images_to_judge_by_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too few images can be read to judge"):
        Judge(CARD, network(), kept(tmp_path, []), 1)


def test_the_original_runs_once_and_not_before_there_is_something_to_judge(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[bytes] = []

    def count(model: bytes, threads: int) -> object:
        opened.append(model)
        return open_bytes(model, threads)

    monkeypatch.setattr("export.judge.judge.open_bytes", count)
    original, other = network(), network(seed=1)
    judge = Judge(CARD, original, kept(tmp_path, random_images(7, (3, 16, 16))), 1)
    assert opened == []
    first = judge(other)
    assert judge(other) == first
    assert first.percent < 100.0
    assert opened.count(original.SerializeToString()) == 1
