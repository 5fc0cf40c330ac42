"""The error as it builds up, against a computation of its own."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.judge.build_up import error_build_up
from tests.attacks.networks import network
from tests.export.small_networks import outputs, random_images


def changed(scale: float) -> onnx.ModelProto:
    """The network with its second convolution scaled."""
    model = network()
    (weight,) = [each for each in model.graph.initializer if each.name == "w2"]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(scale), "w2"))
    return model


def test_errors_begin_where_the_network_was_changed() -> None:
    images = random_images(5, (3, 16, 16))
    errors = error_build_up(network(), changed(1.1), ["c1", "c2", "scores"], images, 1)
    assert errors["c1"] == 0
    assert errors["c2"] > 0.001
    first, second = (np.concatenate(outputs(model, images)) for model in (network(), changed(1.1)))
    expected = np.square(second - first).sum() / np.square(first - first.mean(axis=0)).sum()
    assert errors["scores"] == pytest.approx(expected, rel=1e-4)


def test_what_says_nothing_is_left_out() -> None:
    image = random_images(1, (3, 16, 16))[0]
    errors = error_build_up(network(), network(), ["c1", "scores"], [image], 1)
    assert "scores" not in errors  # one image, one value a channel: no variance
    assert errors["c1"] == 0
