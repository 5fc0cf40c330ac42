"""Shards of the images: sampled anywhere, merged in order, they are the whole set."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from export.calibrate.calibration_set import is_held_out
from export.calibrate.inputs import KeptInputs
from export.calibrate.layer_moments import LayerMoments
from export.calibrate.patches import Samples
from export.calibrate.plan import SamplingPlan, Shortcuts
from export.calibrate.shard import moments_of_shard
from export.calibrate.weighted_layer import WeightedLayer, weighted_layer
from export.fit.moments import Moments
from tests.export.small_networks import Array, Geometry, convolution, images_for

COUNT = 14
LARGE = convolution(Geometry(4, 6, (3, 3), size=(30, 30)))


def plan() -> SamplingPlan:
    inputs = KeptInputs(Path(), (1, 4, 30, 30), tuple(range(COUNT)))
    return SamplingPlan(LARGE, inputs, seed=3)


def own_answer(own: WeightedLayer, index: int, patches: Samples, shortcuts: Shortcuts) -> Samples:
    del index, shortcuts
    return own.respond(patches)


def shard(images: Sequence[Array], indices: Sequence[int]) -> LayerMoments:
    (layer,) = LARGE.layers
    activations = ((index, {"image": images[index]}) for index in indices)
    own = [weighted_layer(LARGE, layer)]
    return moments_of_shard(plan(), own, activations, own_answer, with_patches=True)[layer.output]


def assert_close(one: Moments, other: Moments) -> None:
    assert one.count == other.count
    for name in ("mean_x", "mean_y", "xx", "yx", "yy"):
        expected = getattr(other, name)
        np.testing.assert_allclose(
            getattr(one, name), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max()
        )


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, COUNT), max_size=4))
def test_merged_shards_are_the_whole_set(cuts: list[int]) -> None:
    images = images_for(LARGE, COUNT)
    bounds = [0, *sorted(cuts), COUNT]
    shards = [shard(images, range(start, end)) for start, end in itertools.pairwise(bounds) if end > start]
    whole = shard(images, range(COUNT))
    first, *others = shards
    for other in others:
        first.merge(other)
    merged, expected = first.data(), whole.data()
    assert_close(merged.fit, expected.fit)
    assert_close(merged.held_out, expected.held_out)


def test_an_image_is_sampled_alike_in_any_company() -> None:
    """Also where images before it are missing: the index counts, not the place in the shard."""
    images = images_for(LARGE, COUNT)
    alone, held_out = shard(images, [7]), shard(images, [9])
    together = shard(images, [7, 9]).data()
    assert_close(alone.halves[0].moments(), together.fit)
    assert_close(held_out.halves[1].moments(), together.held_out)
    assert is_held_out(9)


def test_other_indices_are_sampled_elsewhere() -> None:
    images = images_for(LARGE, COUNT)
    images[8] = images[7]
    one, other = (shard(images, [index]).halves[0].moments() for index in (7, 8))
    assert not np.allclose(one.xx, other.xx)


def test_nothing_collected_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        shard(images_for(LARGE, COUNT), []).data()
