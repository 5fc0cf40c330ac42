"""The error by which ways to write a network in int8 are compared."""

import numpy as np
import pytest

from export.precision.output_error import relative_error, responses_on
from tests.attacks.networks import network
from tests.export.small_networks import outputs, random_images


def test_responses_are_what_the_network_computes() -> None:
    images = random_images(3, [3, 16, 16])
    inner, scores = responses_on(network(), ["c2", "scores"], images, 1)
    assert inner.shape == (3, 1, 16, 16, 16)
    np.testing.assert_allclose(scores, outputs(network(), images), rtol=1e-5)


def test_it_is_squared_error_over_the_spread_within_channels() -> None:
    random = np.random.default_rng(0)
    offsets = np.array([100, 0, -7], np.float32).reshape(3, 1, 1)
    maps = random.normal(size=(50, 1, 3, 8, 8)).astype(np.float32) + offsets
    noise = random.normal(0, 0.1, maps.shape).astype(np.float32)
    assert relative_error([maps], [maps]) == 0
    assert relative_error([maps], [maps + noise]) == pytest.approx(0.01, rel=0.05)
    assert relative_error([maps, maps], [maps + noise, maps]) == pytest.approx(0.005, rel=0.05)


def test_scores_have_their_channels_last() -> None:
    scores = np.random.default_rng(0).normal(size=(200, 1, 5)).astype(np.float32) + np.float32(50)
    assert relative_error([scores], [scores + np.float32(0.1)]) == pytest.approx(0.01, rel=0.1)


def test_a_response_that_never_changes_is_kept_or_lost() -> None:
    still = np.ones((4, 1, 2), np.float32)
    assert relative_error([still], [still]) == 0
    assert relative_error([still], [still + np.float32(1e-3)]) == 1
