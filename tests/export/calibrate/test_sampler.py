"""Samples: the original's responses beside the reduced network's patches, image by image, and enough."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.engines.onnxruntime import open_bytes
from export.calibrate.calibration_set import calibration_of, is_held_out
from export.calibrate.inputs import KeptInputs
from export.calibrate.plan import SamplingPlan
from export.calibrate.sampler import Sampler
from export.fit.data import LayerData
from export.fit.moments import Moments
from export.layer import Layer
from export.network.layers import ReducibleNetwork, network_of
from export.network.topology import fragment
from tests.export.small_networks import Array, Geometry, convolution, images_for, outputs, residual

SMALL = Geometry(4, 6, (3, 3), size=(4, 4))  # all its positions are sampled
LARGE = Geometry(4, 6, (3, 3), size=(30, 30))


def sampler_for(found: ReducibleNetwork, images: list[Array], folder: Path, seed: int = 0) -> Sampler:
    return Sampler(found, calibration_of(images, folder).fit, seed, folder)


def recorded(found: ReducibleNetwork, sampler: Sampler, images: list[Array]) -> LayerData:
    activations = ({"image": image} for image in images)
    return sampler.record(found.layers, activations, with_patches=True)["scores"]


def gathered(found: ReducibleNetwork, sampler: Sampler, images: list[Array]) -> LayerData:
    activations = ({"image": image} for image in images)
    return sampler.gather(found.layers, activations, with_pairs=False)["scores"]


def assert_same(one: Moments, other: Moments) -> None:
    assert one.count == other.count
    for name in ("mean_x", "mean_y", "xx", "yx", "yy"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_responses_are_those_of_the_network(tmp_path: Path) -> None:
    found = convolution(SMALL)
    images = images_for(found, 10)
    data = recorded(found, sampler_for(found, images, tmp_path), images)
    answers = [output[0].reshape(6, -1).T for output in outputs(found.model, images)]
    for part, wanted in ((data.fit, False), (data.held_out, True)):
        y = np.concatenate([a for index, a in enumerate(answers) if is_held_out(index) == wanted])
        assert part.count == len(y)
        np.testing.assert_allclose(part.mean_y, y.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(part.yy / part.count, np.cov(y.T, bias=True), atol=1e-4)


def test_unchanged_network_gives_the_recorded_samples_again(tmp_path: Path) -> None:
    found = convolution(LARGE)
    images = images_for(found, 10)
    sampler = sampler_for(found, images, tmp_path)
    data, again = recorded(found, sampler, images), gathered(found, sampler, images)
    assert_same(data.fit, again.fit)
    assert_same(data.held_out, again.held_out)
    np.testing.assert_allclose(data.fit.error(data.weights, data.bias), 0, atol=1e-9)


def test_changed_input_is_paired_with_the_original_response(tmp_path: Path) -> None:
    """Doubled patches, the same responses: half the weights answer them."""
    found = convolution(LARGE)
    images = images_for(found, 10)
    sampler = sampler_for(found, images, tmp_path)
    recorded(found, sampler, images)
    data = gathered(found, sampler, [2 * image for image in images])
    assert data.fit.error(data.weights / 2, data.bias) < 1e-9
    assert data.held_out.error(data.weights / 2, data.bias) < 1e-9


def test_what_a_shortcut_has_lost_is_wanted_of_the_layer(tmp_path: Path) -> None:
    """The shortcut comes with half of the response already, so the other half is left to the layer."""
    found = network_of(residual(30), None, "it")
    images = images_for(found, 10)
    sampler = sampler_for(found, images, tmp_path)
    names = ["a", "c", "d"]
    session = open_bytes(fragment(found.model, ["image"], names).SerializeToString(), threads=1)
    tensors = [dict(zip(names, session.run(names, {"image": image}), strict=True)) for image in images]
    (layer,) = (layer for layer in found.layers if layer.output == "d")
    sampler.record([layer], iter(tensors), with_patches=False)
    changed = ({**each, "c": each["c"] + each["d"] / 2} for each in tensors)
    data = sampler.gather([layer], changed, with_pairs=False)["d"]
    assert data.fit.variance > 0.01
    assert data.fit.error(data.weights / 2, data.bias / 2) < 1e-9
    assert data.held_out.error(data.weights / 2, data.bias / 2) < 1e-9


@pytest.mark.parametrize("with_pairs", [True, False])
def test_pairs_are_kept_where_they_are_wanted_and_an_activation_follows(
    tmp_path: Path,
    with_pairs: bool,  # noqa: FBT001
) -> None:
    found = network_of(residual(), None, "it")
    images = images_for(found, 10)
    sampler = sampler_for(found, images, tmp_path)
    layers = [layer for layer in found.layers if layer.output in ("b", "d")]  # a ReLU follows the first
    tensors = [dict.fromkeys(("a", "c"), image) for image in images]
    sampler.record(layers, iter(tensors), with_patches=False)
    data = sampler.gather(layers, iter(tensors), with_pairs=with_pairs)
    activations = [data[output].activation for output in ("b", "d")]
    assert activations == ["relu" if with_pairs else "identity", "identity"]
    assert [data[output].pairs is not None for output in ("b", "d")] == [with_pairs, False]
    if pairs := data["b"].pairs:
        answers = pairs.held_out_x @ data["b"].weights.T + data["b"].bias
        np.testing.assert_allclose(pairs.held_out_y, answers, atol=1e-5)


def test_seed_chooses_the_positions(tmp_path: Path) -> None:
    found = convolution(LARGE)
    images = images_for(found, 10)
    one, same, other = (
        recorded(found, sampler_for(found, images, tmp_path, seed), images) for seed in (0, 0, 1)
    )
    assert_same(one.fit, same.fit)
    assert not np.array_equal(one.fit.xx, other.fit.xx)


def test_responses_that_are_not_finite(tmp_path: Path) -> None:
    found = convolution(SMALL)
    images = [image * np.float32(1e30) for image in images_for(found, 10)]
    found.model.graph.initializer[0].raw_data = np.full((6, 4, 3, 3), 1e30, np.float32).tobytes()
    with pytest.raises(ModelRefusedError, match="NaN or infinite values at 'scores'"):
        recorded(found, sampler_for(found, images, tmp_path), images)


def test_too_few_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="4 calibration images are too few; give at least 6"):
        sampler_for(convolution(SMALL), images_for(convolution(SMALL), 4), tmp_path)


@pytest.mark.parametrize("indices", [(0, 1, 2, 3, 5, 6, 7), (4, 9, 14, 19, 24), (3, 4)])
def test_images_that_cannot_be_split(indices: tuple[int, ...]) -> None:
    """The others cannot be read, so too few are left, or none to choose on, or none to fit on."""
    with pytest.raises(InputError, match=f"{len(indices)} calibration images are too few"):
        SamplingPlan(convolution(SMALL), KeptInputs(Path(), (1, 4, 4, 4), indices), 0)


def test_no_images() -> None:
    with pytest.raises(InputError, match="there are no calibration images"):
        SamplingPlan(convolution(SMALL), KeptInputs(Path(), (1, 4, 4, 4), ()), 0)


def layer_of(out_channels: int, in_channels: int, size: int) -> Layer:
    (layer,) = convolution(SMALL).layers
    return replace(layer, out_channels=out_channels, in_channels=in_channels, output_size=(size, size))


def plan_of(images: int) -> SamplingPlan:
    inputs = KeptInputs(Path(), (1, 4, 4, 4), tuple(range(images)))
    return SamplingPlan(convolution(SMALL), inputs, 0)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 2048), st.integers(1, 512), st.integers(1, 20), st.integers(5, 400))
def test_number_of_images_asked_for_is_enough(
    out_channels: int, in_channels: int, size: int, images: int
) -> None:
    layer = layer_of(out_channels, in_channels, size)
    needed = plan_of(images).images_needed(layer)
    assert needed == 0 or needed > images
    images = max(images, needed)
    for more in (0, 1, 2, 7, images):
        plan = plan_of(images + more)
        assert plan.images_needed(layer) == 0
        fitted = sum(not is_held_out(index) for index in range(images + more))
        assert fitted * plan.positions(layer) > out_channels


@given(st.integers(1, 512), st.integers(1, 40), st.integers(5, 5000))
def test_positions_are_within_bounds(in_channels: int, size: int, images: int) -> None:
    layer = layer_of(8, in_channels, size)
    positions = plan_of(images).positions(layer)
    assert min(20, layer.positions) <= positions <= min(512, layer.positions)


@pytest.mark.parametrize(
    ("out_channels", "in_channels", "group", "images", "expected"),
    [
        (8, 4, 1, 100, 320),  # 32,000 samples
        (8, 4, 1, 101, 317),  # rounded up
        (8, 4, 1, 5000, 20),  # at least
        (8, 4, 1, 10, 512),  # at most
        (8, 512, 1, 100, 369),  # 8 for each of 512 * 9 unknowns
        (8, 512, 2, 100, 320),  # in each of two groups half as many
        (8000, 4, 1, 200, 320),  # 8 for each response
        (8000, 4, 2, 200, 160),
    ],
)
def test_positions_by_hand(
    out_channels: int, in_channels: int, group: int, images: int, expected: int
) -> None:
    layer = replace(layer_of(out_channels, in_channels, 100), group=group)
    assert plan_of(images).positions(layer) == expected


def test_images_needed_by_hand() -> None:
    layer = layer_of(100, 4, 1)
    plan = plan_of(10)  # of which 8 are fitted on, at one position each
    assert plan.images_needed(layer) == 127 + 31 + 1  # 5 / 4 of 100, and 2; and a quarter
    assert plan.images_needed(replace(layer, group=2)) == 64 + 16 + 1
    assert plan.images_needed(replace(layer, op_type="Gemm")) == 0
    assert plan.images_needed(replace(layer, out_channels=7)) == 0
    assert plan.images_needed(replace(layer, out_channels=8)) > 0


def test_tensors_of_a_layer_are_its_input_and_its_shortcut() -> None:
    found = network_of(residual(), None, "it")
    plan = SamplingPlan(found, KeptInputs(Path(), (1, 4, 8, 8), tuple(range(10))), 0)
    tensors = {layer.output: plan.tensors(layer) for layer in found.layers}
    assert tensors == {"a": ("image",), "b": ("a",), "c": ("r",), "d": ("a", "c")}
    assert [plan.number(layer) for layer in found.layers] == [0, 1, 2, 3]
