"""Calibration images by their global index: what is damaged among them changes nothing for the others."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import InputSpec
from export.calibrate.calibration_set import (
    CalibrationSet,
    calibration_of,
    calibration_set,
    is_held_out,
)
from export.calibrate.images import find_images
from export.calibrate.patches import Samples
from export.calibrate.plan import SamplingPlan, Shortcuts
from export.calibrate.sampler import Sampler
from export.calibrate.shard import moments_of_shard
from export.calibrate.stream import Activations
from export.calibrate.weighted_layer import WeightedLayer, weighted_layer
from export.fit.data import LayerData
from tests.attacks.images import good_images, images_all_alike, text
from tests.export.small_networks import Array, Geometry, convolution

COUNT = 30
SPEC = InputSpec((30, 30), "stretch")
NETWORK = convolution(Geometry(3, 5, (3, 3), size=(30, 30)))  # 512 of its 784 positions are sampled
(LAYER,) = NETWORK.layers
damage = st.sets(st.integers(0, COUNT - 1), max_size=3)


def set_of(folder: Path, damaged: set[int], *, judged: bool) -> CalibrationSet:
    """A folder of the same images each time, some of which cannot be read."""
    good_images(folder / "images", COUNT)
    for index in damaged:
        text(folder / "images" / f"{index:03d}.png")
    files = find_images(folder / "images").files
    return calibration_set(files, SPEC, folder, judged=judged)


def activations_of(images: CalibrationSet) -> Iterator[tuple[int, Activations]]:
    """The network's input for each image to fit on, with its global index."""
    for index, tensor in zip(images.fit.indices, images.fit, strict=True):
        yield index, {"image": np.asarray(tensor, np.float32)}


def samples_of(images: CalibrationSet) -> dict[int, tuple[bool, Array]]:
    """For each image to fit on by its global index: whether it is held out, and the patches sampled in it."""
    plan = SamplingPlan(NETWORK, images.fit, seed=3)
    return {
        index: (is_held_out(index), plan.patches(LAYER, index, activations))
        for index, activations in activations_of(images)
    }


@pytest.mark.parametrize("judged", [True, False])
@settings(deadline=None, max_examples=15)
@given(damaged=damage)
def test_others_are_held_out_and_sampled_as_if_nothing_were_damaged(
    judged: bool,  # noqa: FBT001
    damaged: set[int],
) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        images = set_of(Path(one), damaged, judged=judged)
        found = samples_of(images)
        whole = samples_of(set_of(Path(other), set(), judged=judged))
    # of those apart, too: every fifth file, whether it can be read or not
    fitted = [place for place in range(COUNT) if not judged or place % 5 != 4]
    assert [path.name for path in images.skipped] == [f"{place:03d}.png" for place in sorted(damaged)]
    assert list(found) == [index for index, place in enumerate(fitted) if place not in damaged]
    assert len(images.apart) == COUNT - len(fitted) - len(damaged - set(fitted))
    for index, (held_out, patches) in found.items():
        assert held_out == whole[index][0]
        np.testing.assert_array_equal(patches, whole[index][1])


def wanted(own: WeightedLayer, index: int, patches: Samples, shortcuts: Shortcuts) -> Samples:
    del index, shortcuts
    return own.respond(patches)


def run_here(images: CalibrationSet, folder: Path) -> LayerData:
    """What a local run collects."""
    activations = (each for _, each in activations_of(images))
    return Sampler(NETWORK, images.fit, 3, folder).record([LAYER], activations, with_patches=True)[
        LAYER.output
    ]


def shard_without(images: CalibrationSet, left_out: set[int]) -> LayerData:
    """What a shard of some of the images collects."""
    activations = (each for each in activations_of(images) if each[0] not in left_out)
    plan, own = SamplingPlan(NETWORK, images.fit, seed=3), [weighted_layer(NETWORK, LAYER)]
    return moments_of_shard(plan, own, activations, wanted, with_patches=True)[LAYER.output].data()


def test_moments_are_those_of_the_whole_folder_but_for_the_damaged_images(tmp_path: Path) -> None:
    damaged = {0, 3, 9}  # the last is held out
    found = run_here(set_of(tmp_path / "some", damaged, judged=False), tmp_path)
    expected = shard_without(set_of(tmp_path / "all", set(), judged=False), damaged)
    for one, other in ((found.fit, expected.fit), (found.held_out, expected.held_out)):
        assert one.count == other.count
        for name in ("mean_x", "mean_y", "xx", "yx", "yy"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (found.fit.count, found.held_out.count) == (512 * 22, 512 * 5)


def test_every_fifth_index_is_held_out() -> None:
    assert [index for index in range(25) if is_held_out(index)] == [4, 9, 14, 19, 24]


def test_images_that_are_all_alike_are_an_error_and_a_single_one_is_not(tmp_path: Path) -> None:
    images_all_alike(tmp_path / "images", 3)
    files = find_images(tmp_path / "images").files
    with pytest.raises(InputError, match="all calibration images are the same"):
        calibration_set(files, SPEC, tmp_path)
    assert len(calibration_set(files[:1], SPEC, tmp_path).fit) == 1


def test_inputs_that_are_ready_are_kept_in_two_parts(tmp_path: Path) -> None:
    tensors = [np.full((1, 1, 2, 2), value, np.float32) for value in range(5)]
    images = calibration_of(tensors[:3], tmp_path, tensors[3:])
    assert (images.fit.indices, images.apart.indices) == ((0, 1, 2), (0, 1))
    assert [float(each.max()) for part in (images.fit, images.apart) for each in part] == [0, 1, 2, 3, 4]
