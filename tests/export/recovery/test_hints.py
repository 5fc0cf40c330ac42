"""How far a student's responses are from its teacher's."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'pi-infer[recover]'")

import torch
from onnx import numpy_helper

from export.recovery.hints import Hints, shared_responses
from export.recovery.network import TorchNetwork
from tests.attacks.networks import network


def test_errors_count_over_the_variance_of_each_response() -> None:
    """A channel that is shifted by its own standard deviation costs 1, whatever its size and mean."""
    generator = torch.Generator().manual_seed(0)
    small = torch.randn(50, 4, 8, 8, generator=generator) + 3.0
    large = 100 * torch.randn(50, 7, generator=generator)
    teacher = {"small": small, "large": large}
    hints = Hints(["small", "large"], teacher)
    assert float(hints(teacher, teacher)) == 0
    moved = {"small": small + 1.0, "large": large}
    assert float(hints(teacher, moved)) == pytest.approx(0.5, rel=0.05)
    moved = {"small": small, "large": large - 200.0}
    assert float(hints(teacher, moved)) == pytest.approx(2.0, rel=0.1)


def test_a_response_that_never_changes_does_not_count() -> None:
    teacher = {"dead": torch.full((9, 4), 2.5), "alive": torch.arange(36.0).reshape(9, 4)}
    hints = Hints(["dead", "alive"], teacher)
    assert float(hints(teacher, {**teacher, "dead": torch.zeros(9, 4)})) == 0


def test_shared_responses_have_one_name_and_one_shape() -> None:
    teacher = TorchNetwork(network(), "teacher")
    images = torch.from_numpy(np.random.default_rng(0).random((2, 3, 16, 16), np.float32))
    assert shared_responses(teacher, teacher, images) == ["c1", "c2", "scores"]
    narrow = network()
    for name, axis in (("w1", 0), ("b1", 0), ("w2", 1)):
        tensor = next(tensor for tensor in narrow.graph.initializer if tensor.name == name)
        values = np.take(numpy_helper.to_array(tensor), range(6), axis)
        tensor.CopyFrom(numpy_helper.from_array(values, name))
    narrow.graph.node[2].output[0] = narrow.graph.node[3].input[0] = "other"
    assert shared_responses(teacher, TorchNetwork(narrow, "student"), images) == ["scores"]
