import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard, parse_card
from edge_runtime.model.engines.onnxruntime import open_network
from edge_runtime.model.golden import golden_error, golden_frame, golden_of
from edge_runtime.model.network import Network
from tests.attacks.networks import write_network


@pytest.fixture
def network(tmp_path: Path) -> Network:
    write_network(tmp_path / "model.onnx")
    return open_network(tmp_path / "model.onnx", threads=1)


@pytest.fixture
def card(network: Network) -> ModelCard:
    return replace(network.card(), golden=golden_of(network, network.card(), seed=3))


def test_frame_depends_on_the_seed_alone() -> None:
    np.testing.assert_array_equal(golden_frame(1, (8, 9)), golden_frame(1, (8, 9)))
    assert golden_frame(1, (8, 9)).shape == (8, 9, 3)
    assert not np.array_equal(golden_frame(1, (8, 9)), golden_frame(2, (8, 9)))


def test_frame_is_the_same_on_every_machine() -> None:
    assert golden_frame(0, (2, 1)).tolist() == [[[95, 130, 194]], [[217, 207, 235]]]


def test_same_network_agrees_with_its_own_card(network: Network, card: ModelCard) -> None:
    assert golden_error(network, card) == 0.0


def test_card_survives_json_to_the_last_bit(network: Network, card: ModelCard) -> None:
    assert golden_error(network, parse_card(card.to_json(), "here")) == 0.0


def test_other_network_disagrees(card: ModelCard, tmp_path: Path) -> None:
    write_network(tmp_path / "other.onnx", seed=1)
    assert golden_error(open_network(tmp_path / "other.onnx", 1), card) > 0.1


def test_error_is_relative_to_the_largest_value(network: Network, card: ModelCard) -> None:
    assert card.golden is not None
    values = card.golden.samples[0]
    largest = max(map(abs, values))
    shifted = (values[0] + 0.01 * largest, *values[1:])
    moved = replace(card, golden=replace(card.golden, samples=(shifted,)))
    assert golden_error(network, moved) == pytest.approx(0.01, rel=0.02)


def test_other_shape_is_infinitely_wrong(network: Network, card: ModelCard) -> None:
    assert card.golden is not None
    other = replace(card, golden=replace(card.golden, shapes=((1, 5),)))
    assert golden_error(network, other) == math.inf


def test_card_without_golden_output(network: Network) -> None:
    with pytest.raises(InputError, match="no golden output"):
        golden_error(network, network.card())


@pytest.mark.parametrize(
    "name", ["facemask_ssd", "gtsrb_cnn", "resnet18_imagenette", "squeezenet_imagenet", "yolov5n_coco"]
)
def test_real_networks(name: str, asset_model: Callable[[str], Path]) -> None:
    network = open_network(asset_model(name))
    golden = golden_of(network, network.card())
    assert len(golden.shapes) == len(golden.samples) == len(network.output_names)
    assert all(0 < len(values) <= 64 for values in golden.samples)
    assert golden_error(network, replace(network.card(), golden=golden)) < 1e-5
