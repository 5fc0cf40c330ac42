"""What is seen of the tensors of a network on images."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edge_runtime.base.errors import ModelRefusedError
from export.calibrate.calibration_set import calibration_of
from export.precision.activation_ranges import BINS, activation_ranges
from tests.attacks.networks import model_of
from tests.export.small_networks import random_images

SHAPE = [1, 2, 4, 4]


def doubled() -> onnx.ModelProto:
    add = helper.make_node("Add", ["image", "image"], ["twice"])
    return model_of([add, helper.make_node("Relu", ["twice"], ["scores"])], {}, SHAPE, SHAPE)


def test_the_ends_and_all_values_between_are_seen(tmp_path: Path) -> None:
    images = random_images(5, SHAPE[1:])
    steps: list[tuple[str, int, int]] = []
    found = activation_ranges(
        doubled(),
        ["image", "twice", "scores"],
        calibration_of(images, tmp_path).fit,
        threads=1,
        progress=lambda *step: steps.append(step),
    )
    values = 2 * np.stack(images)
    assert (found["twice"].lowest, found["twice"].highest) == (values.min(), values.max())
    assert (found["scores"].lowest, found["scores"].highest) == (0, values.max())
    assert {tensor.counts.sum() for tensor in found.values()} == {values.size}
    mean = found["twice"].counts @ found["twice"].centres / values.size
    assert mean == pytest.approx(float(values.mean()), abs=float(np.ptp(values)) / BINS)
    assert [done for _, done, _ in steps] == list(range(1, 11))


def test_a_tensor_that_is_the_same_everywhere_has_a_range(tmp_path: Path) -> None:
    images = [np.full(SHAPE, 3, np.float32)] * 2
    found = activation_ranges(doubled(), ["twice"], calibration_of(images, tmp_path).fit, threads=1)["twice"]
    assert found.lowest == 6 < found.highest
    assert found.counts.sum() == 64


def test_what_is_not_finite_is_refused(tmp_path: Path) -> None:
    images = [np.full(SHAPE, 3e38, np.float32)] * 2
    with pytest.raises(ModelRefusedError, match="'twice'"):
        activation_ranges(doubled(), ["twice"], calibration_of(images, tmp_path).fit, threads=1)


def test_some_of_the_inputs_are_evenly_spaced(tmp_path: Path) -> None:
    images = random_images(10, SHAPE[1:])
    kept = calibration_of(images, tmp_path).fit
    some = kept.some(4)
    assert some.indices == (0, 3, 6, 9)
    assert len(some) == 4
    for tensor, index in zip(some, some.indices, strict=True):
        np.testing.assert_array_equal(tensor, images[index])
    assert list(some.some(2).indices) == [0, 6]
    np.testing.assert_array_equal(list(some.some(2))[1], images[6])
    assert kept.some(10) is kept


@pytest.mark.parametrize("images", [np.float32([1, 1 + 2**-23]), np.float32([0, 1e-43])])
def test_a_range_too_narrow_to_be_parted_in_float32_is_seen(images: np.ndarray, tmp_path: Path) -> None:
    inputs = calibration_of([np.full(SHAPE, value, np.float32) for value in images], tmp_path).fit
    found = activation_ranges(doubled(), ["image"], inputs, threads=1)["image"]
    assert (found.lowest, found.highest) == (images[0], images[1])
    assert (found.counts[0], found.counts[-1], found.counts.sum()) == (32, 32, 64)
