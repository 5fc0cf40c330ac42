"""Moments of a layer, and of each group of a grouped one, image by image and merged."""

from dataclasses import replace

import numpy as np
import pytest

from export.calibrate.layer_moments import MAX_DENSE_INPUTS, LayerMoments, is_condensed, moments_bytes
from export.calibrate.weighted_layer import WeightedLayer, weighted_layer
from export.fit.data import LayerData, Pairs
from export.fit.moments import Moments
from export.fit.nonlinearity import silu
from export.layer import Layer
from tests.export.small_networks import Array, Geometry, convolution

GROUPED = convolution(Geometry(2, 3, (3, 3), size=(6, 6), groups=2))
PLAIN = convolution(Geometry(2, 3, (3, 3), size=(6, 6)))
ROWS = 7


def samples(images: int, patch_length: int, responses: int) -> list[tuple[Array, Array]]:
    random = np.random.default_rng(0)
    shapes = (ROWS, patch_length), (ROWS, responses)
    return [
        (random.normal(size=shapes[0]).astype(np.float32), random.normal(size=shapes[1]).astype(np.float32))
        for _ in range(images)
    ]


def assert_moments(found: Moments, x: Array, y: Array) -> None:
    expected = Moments.of(x, y)
    assert found.count == expected.count
    for name in ("mean_x", "mean_y", "xx", "yx", "yy"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-9)


def stacked(images: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    x, y = (np.concatenate(side) for side in zip(*images, strict=True))
    return x, y


@pytest.mark.parametrize("merged", [False, True])
def test_each_group_has_moments_of_its_own(merged: bool) -> None:  # noqa: FBT001
    (layer,) = GROUPED.layers
    images = samples(6, 2 * 18, 2 * 3)
    collected = [LayerMoments(weighted_layer(GROUPED, layer), with_patches=True) for _ in range(2)]
    for index, (x, y) in enumerate(images):
        collected[index // 3 if merged else 0].add(x, y, held_out=index in (2, 5))
    if merged:
        collected[0].merge(collected[1])
    data = collected[0].data()
    for half, numbers in (("fit", (0, 1, 3, 4)), ("held_out", (2, 5))):
        x, y = stacked([images[number] for number in numbers])
        assert_moments(getattr(data, half), x[:, :0], y)
        for group, part in enumerate(data.parts):
            inputs, outputs = slice(18 * group, 18 * group + 18), slice(3 * group, 3 * group + 3)
            assert_moments(getattr(part, half), x[:, inputs], y[:, outputs])
            np.testing.assert_array_equal(part.weights, data.weights[outputs])
            np.testing.assert_array_equal(part.bias, data.bias[outputs])
    assert len(data.parts) == 2


def test_pairs_are_split_among_the_groups() -> None:
    (layer,) = GROUPED.layers
    x, y = samples(1, 2 * 18, 2 * 3)[0]
    collected = LayerMoments(weighted_layer(GROUPED, layer), with_patches=True)
    for held_out in (False, True):
        collected.add(x, y, held_out=held_out)
    data = collected.data(pairs=Pairs(x, y, 2 * x, 2 * y))
    for group, part in enumerate(data.parts):
        assert part.pairs is not None
        inputs, outputs = x[:, 18 * group : 18 * group + 18], y[:, 3 * group : 3 * group + 3]
        np.testing.assert_array_equal(part.pairs.fit_x, inputs)
        np.testing.assert_array_equal(part.pairs.fit_y, outputs)
        np.testing.assert_array_equal(part.pairs.held_out_x, 2 * inputs)
        np.testing.assert_array_equal(part.pairs.held_out_y, 2 * outputs)


def collected_of_plain(*, with_patches: bool) -> tuple[LayerData, Layer]:
    (layer,) = PLAIN.layers
    collected = LayerMoments(weighted_layer(PLAIN, layer), with_patches=with_patches)
    for index, (x, y) in enumerate(samples(2, 18, 3)):
        collected.add(x, y, held_out=index == 1)
    assert (collected.data().activation, collected.data(silu()).activation) == ("identity", "silu")
    return collected.data(), layer


def test_patches_are_left_out_where_they_are_not_wanted() -> None:
    (x, y), _ = samples(2, 18, 3)
    assert_moments(collected_of_plain(with_patches=False)[0].fit, x[:, :0], y)
    assert_moments(collected_of_plain(with_patches=True)[0].fit, x, y)


@pytest.mark.parametrize("with_patches", [True, False])
def test_memory_is_that_of_the_moments(with_patches: bool) -> None:  # noqa: FBT001
    data, layer = collected_of_plain(with_patches=with_patches)
    held = sum(half.xx.nbytes + half.yy.nbytes for half in (data.fit, data.held_out))
    assert moments_bytes(layer, with_patches=with_patches) == held
    assert not is_condensed(layer)


def test_memory_of_groups_is_that_of_each() -> None:
    (layer,) = GROUPED.layers
    assert moments_bytes(layer, with_patches=True) == 2 * 8 * (6**2 + 2 * 18**2)
    assert MAX_DENSE_INPUTS**2 * 8 == 128 * 2**20


def dense(inputs: int) -> WeightedLayer:
    """A fully connected layer of three outputs."""
    (layer,) = PLAIN.layers
    gemm = replace(layer, op_type="Gemm", kernel=(1, 1), in_channels=inputs, out_channels=3)
    return WeightedLayer(gemm, np.random.default_rng(1).normal(size=(3, inputs)), np.arange(3.0))


@pytest.mark.parametrize("inputs", [MAX_DENSE_INPUTS, MAX_DENSE_INPUTS + 1])
def test_of_a_long_input_the_response_is_collected(inputs: int) -> None:
    own = dense(inputs)
    condensed = inputs > MAX_DENSE_INPUTS
    assert is_condensed(own.layer) == condensed
    entries = 3 if condensed else inputs
    assert moments_bytes(own.layer, with_patches=True) == 2 * 8 * (3**2 + entries**2)
    if condensed:
        collected = LayerMoments(own, with_patches=True)
        images = samples(2, inputs, 3)
        for index, (x, y) in enumerate(images):
            collected.add(x, y, held_out=index == 1)
        data = collected.data()
        assert data.condensed
        for moments, (x, y) in zip((data.fit, data.held_out), images, strict=True):
            assert_moments(moments, own.respond(x), y)
