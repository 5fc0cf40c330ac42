"""Patches: what the weights are multiplied with is what onnxruntime multiplies them with."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from export.calibrate.patches import extract_patches, sample_positions
from tests.export.small_networks import Geometry, convolution, geometries, images_for, outputs

KERNELS = (1, 2, 3, 4, 5, 6, 7)


@settings(deadline=None, max_examples=120)
@given(geometries(kernels=KERNELS), st.integers(0, 99))
def test_patches_times_weights_are_the_convolution(geometry: Geometry, seed: int) -> None:
    found = convolution(geometry, seed)
    (layer,) = found.layers
    (image,) = images_for(found, 1, seed)
    (response,) = outputs(found.model, [image])
    where = sample_positions(layer, 12, seed, 0, 0)
    patches = extract_patches(layer, image, where)
    assert patches.shape == (len(where), layer.patch_length)
    bias = found.array(layer.bias) if layer.bias else np.float32(0)
    answers = patches @ found.array(layer.weight).reshape(layer.out_channels, -1).T + bias
    wanted = response[0][:, where[:, 0], where[:, 1]].T
    np.testing.assert_allclose(answers, wanted, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(geometries(), st.integers(1, 100), st.integers(0, 2**31), st.integers(0, 9), st.integers(0, 9))
def test_positions_are_distinct_and_inside(
    geometry: Geometry, count: int, seed: int, layer_index: int, image_index: int
) -> None:
    (layer,) = convolution(geometry).layers
    where = sample_positions(layer, count, seed, layer_index, image_index)
    assert where.shape == (min(count, layer.positions), 2)
    assert len({tuple(position) for position in where.tolist()}) == len(where)
    assert (where >= 0).all()
    assert (where < layer.output_size).all()
    assert np.array_equal(where, sample_positions(layer, count, seed, layer_index, image_index))


@pytest.mark.parametrize("changed", [(1, 2, 3), (0, 3, 3), (0, 2, 4)])
def test_positions_differ_with_seed_layer_and_image(changed: tuple[int, int, int]) -> None:
    (layer,) = convolution(Geometry(1, 1, (3, 3), size=(30, 20))).layers
    reference = sample_positions(layer, 20, 0, 2, 3)
    assert not np.array_equal(reference, sample_positions(layer, 20, *changed))


def test_positions_cover_the_whole_output() -> None:
    (layer,) = convolution(Geometry(1, 1, (3, 3), size=(5, 7))).layers
    drawn = np.concatenate([sample_positions(layer, 3, 0, 0, image) for image in range(200)])
    counts = np.zeros(layer.output_size)
    np.add.at(counts, (drawn[:, 0], drawn[:, 1]), 1)
    assert counts.min() > 0.3 * counts.mean()
    assert counts.max() < 2.5 * counts.mean()


def test_patches_hold_zeros_where_the_border_is() -> None:
    (layer,) = convolution(Geometry(1, 1, (3, 3), pads=(1, 1, 1, 1), size=(2, 2))).layers
    image = np.arange(1, 5, dtype=np.float32).reshape(1, 1, 2, 2)
    corner = dataclasses.replace(layer, bias="")
    assert extract_patches(corner, image, np.array([[0, 0]])).tolist() == [[0, 0, 0, 0, 1, 2, 0, 3, 4]]
