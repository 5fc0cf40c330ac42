"""Every method: the layer itself at full rank, better with every rank, and as cheap as it claims."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings, strategies as st

from edge_runtime.base.errors import ModelRefusedError
from export.fit.data import LayerData
from export.layer import Layer
from export.methods import all_methods
from export.methods.base import Method, rank_grid, thin, to_float32
from export.methods.channel import SOLVERS, Channel
from export.methods.combined import Combined
from export.methods.spatial import Spatial
from export.network.layers import ReducibleNetwork
from tests.export.small_networks import (
    Array,
    Geometry,
    assert_equal_outputs,
    convolution,
    count_macs,
    geometries,
    images_for,
    outputs,
    sample_layers,
    with_replacement,
)

METHODS: dict[str, Method] = {
    **{solver: Channel((solver,)) for solver in SOLVERS},
    "channel": Channel(),
    "spatial": Spatial(),
    "combined": Combined(),
}
SPATIAL = ("spatial", "combined")
SQUARE = Geometry(6, 12, (3, 3), size=(5, 4))
TALL = Geometry(5, 9, (5, 2), (2, 1), (2, 0, 1, 1), (1, 2), (9, 6), bias=False)
WIDE = Geometry(4, 10, (1, 5), pads=(0, 2, 0, 2), size=(2, 9))


def full_ranks(name: str, layer: Layer) -> tuple[int, ...]:
    """The ranks at which a method can express any weights."""
    filters = min(layer.in_channels * layer.kernel[0], layer.kernel[1] * layer.out_channels)
    if name == "spatial":
        return (filters,)
    if name == "combined":
        return filters, min(layer.out_channels, filters * layer.kernel[1])
    return (min(layer.out_channels, layer.patch_length),)


def enough_images(found: ReducibleNetwork, seed: int = 0) -> list[Array]:
    """So many that there are more samples to fit on than unknowns."""
    (layer,) = found.layers
    unknowns = max(layer.patch_length, layer.out_channels)
    count = 5 + 3 * unknowns // (2 * min(layer.positions, 20))
    return images_for(found, count, seed)


def samples_of(found: ReducibleNetwork, images: Sequence[Array]) -> LayerData:
    """What there is to fit the only layer on."""
    return sample_layers(found, images)[found.layers[0].output]


def replaced(found: ReducibleNetwork, data: LayerData, name: str, ranks: tuple[int, ...]) -> onnx.ModelProto:
    """The network with its layer replaced at these ranks."""
    method = METHODS[name]
    candidate = method.candidate(data.layer, ranks, 0.0)
    return with_replacement(found.model, data.layer, method.fit(data, candidate))


def assert_full_rank_is_the_layer(
    found: ReducibleNetwork, name: str, images: Sequence[Array], *others: Array
) -> None:
    data = samples_of(found, images)
    model = replaced(found, data, name, full_ranks(name, data.layer))
    onnx.checker.check_model(model, full_check=True)
    assert_equal_outputs(found.model, model, [*images[:2], *others])


@pytest.mark.parametrize("name", METHODS)
@settings(deadline=None, max_examples=15)
@given(geometry=geometries(channels=4, kernels=(1, 2, 3, 5, 7)), seed=st.integers(0, 99))
def test_full_rank_is_the_layer_itself(name: str, geometry: Geometry, seed: int) -> None:
    assume(geometry.kernel != (1, 1))
    found = convolution(geometry, seed)
    assert_full_rank_is_the_layer(found, name, enough_images(found, seed), *images_for(found, 2, seed + 1))


def with_dead_input(images: list[Array]) -> list[Array]:
    for image in images:
        image[:, 0] = 0
    return images


def with_constant_input(images: list[Array]) -> list[Array]:
    for image in images:
        image[:, 1] = 2.5
    return images


def with_copies(images: list[Array]) -> list[Array]:
    for image in images:
        image[:] = images[0]
    return images


def with_dark_images(images: list[Array]) -> list[Array]:
    return [image * np.float32(1e-18) for image in images]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("spoil", [with_dead_input, with_constant_input, with_copies, with_dark_images])
def test_full_rank_is_the_layer_itself_on_singular_statistics(
    name: str, spoil: Callable[[list[Array]], list[Array]]
) -> None:
    found = convolution(replace(SQUARE, bias=False))
    assert_full_rank_is_the_layer(found, name, spoil(images_for(found, 20)))


@pytest.mark.parametrize("name", METHODS)
def test_images_without_any_content(name: str) -> None:
    found = convolution(SQUARE)
    images = [0 * image for image in images_for(found, 12)]
    data = samples_of(found, images)
    for candidate in [*METHODS[name].candidates(data)[::5]]:
        assert np.isfinite(candidate.relative_error)
        model = replaced(found, data, name, candidate.ranks)
        assert_equal_outputs(found.model, model, images[:1])


@pytest.mark.parametrize("name", METHODS)
def test_layer_that_answers_nothing(name: str) -> None:
    found = convolution(SQUARE)
    found.model.graph.initializer[0].raw_data = bytes(len(found.model.graph.initializer[0].raw_data))
    images = images_for(found, 12)
    data = samples_of(found, images)
    for candidate in [*METHODS[name].candidates(data)[::5]]:
        assert candidate.relative_error == 0
        assert_equal_outputs(found.model, replaced(found, data, name, candidate.ranks), images[:2])


def relative_error(found: ReducibleNetwork, model: onnx.ModelProto, images: Sequence[Array]) -> float:
    """Squared error of all responses to these images over their variance."""
    before, after = (np.stack(outputs(m, images)).astype(np.float64) for m in (found.model, model))
    mean = before.mean(axis=(0, 1, 3, 4), keepdims=True)
    return float(np.square(before - after).sum() / np.square(before - mean).sum())


@pytest.mark.parametrize("geometry", [SQUARE, TALL, WIDE])
@pytest.mark.parametrize("name", METHODS)
def test_training_error_never_grows_with_rank(name: str, geometry: Geometry) -> None:
    """Small outputs are sampled at every position, so the training error is that of the images."""
    if name in SPATIAL and 1 in geometry.kernel:
        return
    found = convolution(geometry)
    images = images_for(found, 20)
    data = samples_of(found, images)
    assert data.fit.count + data.held_out.count == 20 * data.layer.positions
    *filters, largest = full_ranks(name, data.layer)
    ladders = [[(*filters, rank) for rank in range(1, largest + 1, 2)]]
    if filters:
        ladders.append([(count, 4) for count in range(1, filters[0] + 1, 2)])
    for ladder in ladders:
        errors = [relative_error(found, replaced(found, data, name, ranks), images) for ranks in ladder]
        assert all(late <= early + 1e-6 for early, late in itertools.pairwise(errors))
        assert errors[0] > errors[-1] + 0.1


@settings(deadline=None, max_examples=15)
@given(geometries(channels=5, kernels=(2, 3, 5)), st.integers(0, 99))
def test_held_out_error_of_the_channel_method_never_grows(geometry: Geometry, seed: int) -> None:
    found = convolution(geometry, seed)
    candidates = Channel().candidates(samples_of(found, enough_images(found)))
    errors = [candidate.relative_error for candidate in sorted(candidates, key=lambda c: c.ranks)]
    assert all(late <= early + 1e-9 for early, late in itertools.pairwise(errors))


@pytest.mark.parametrize("name", ["channel", "spatial", "combined"])
@settings(deadline=None, max_examples=15)
@given(geometry=geometries(channels=6, kernels=(1, 2, 3, 5)), seed=st.integers(0, 99))
def test_candidates_cost_what_they_say_and_less_than_the_layer(
    name: str, geometry: Geometry, seed: int
) -> None:
    assume(geometry.kernel != (1, 1))
    found = convolution(geometry, seed)
    data = samples_of(found, enough_images(found))
    candidates = METHODS[name].candidates(data)
    assert all(candidate.macs < data.layer.macs for candidate in candidates)
    assert all(candidate.method == METHODS[name].name for candidate in candidates)
    assert len({candidate.ranks for candidate in candidates}) == len(candidates)
    for candidate in candidates[:: max(1, len(candidates) // 4)]:
        model = replaced(found, data, name, candidate.ranks)
        assert candidate.macs == count_macs(model, geometry.size)
        assert candidate.parameters == sum(int(np.prod(t.dims)) for t in model.graph.initializer)


@pytest.mark.parametrize("method", all_methods(), ids=lambda method: method.name)
def test_every_method_offers_candidates_for_an_ordinary_layer(method: Method) -> None:
    found = convolution(Geometry(16, 32, (3, 3), size=(8, 8)))
    candidates = method.candidates(samples_of(found, images_for(found, 10)))
    applies = method.name in ("channel", "spatial", "combined")
    assert not applies or min(c.macs for c in candidates) * 4 < found.layers[0].macs


@pytest.mark.parametrize("name", ["spatial", "combined"])
def test_kernels_of_one_row_or_column_have_nothing_to_separate(name: str) -> None:
    found = convolution(WIDE)
    assert METHODS[name].candidates(samples_of(found, images_for(found, 12))) == []


@pytest.mark.parametrize("name", METHODS)
def test_error_told_is_the_error_met_on_other_images(name: str) -> None:
    found = convolution(SQUARE)
    data = samples_of(found, images_for(found, 60))
    method, fresh = METHODS[name], images_for(found, 60, seed=1)
    for candidate in method.candidates(data)[::4]:
        replacement = method.fit(data, candidate)
        met = relative_error(found, with_replacement(found.model, data.layer, replacement), fresh)
        assert met == pytest.approx(candidate.relative_error, rel=0.15)
        assert met == pytest.approx(replacement.relative_error, rel=0.15)


def on_a_changed_input(found: ReducibleNetwork) -> LayerData:
    """The responses of a layer, and the patches of an input that has lost much of one channel."""
    (layer,) = found.layers
    damage = np.eye(layer.patch_length)
    damage[: layer.patch_length // 2, : layer.patch_length // 2] *= 0.2
    data = samples_of(found, enough_images(found))
    moved = [replace(part, xx=damage @ part.xx @ damage.T, yx=part.yx @ damage.T, mean_x=damage @ part.mean_x)
             for part in (data.fit, data.held_out)]  # fmt: skip
    return replace(data, fit=moved[0], held_out=moved[1])


def test_fits_that_know_the_reduced_input_repair_what_it_lost() -> None:
    data = on_a_changed_input(convolution(SQUARE))
    errors = {}
    for name in ("linear", "asymmetric", "refit", "channel"):
        candidate = METHODS[name].candidate(data.layer, (9,), 0.0)
        errors[name] = METHODS[name].fit(data, candidate).relative_error
    assert errors["refit"] < 0.9 * errors["asymmetric"] < 0.9 * errors["linear"]
    assert errors["channel"] == min(errors.values())


def test_refit_needs_more_samples_than_unknowns() -> None:
    found = convolution(Geometry(6, 4, (5, 5), pads=(2, 2, 2, 2), size=(2, 2)))
    data = samples_of(found, images_for(found, 10))
    assert data.fit.count < data.layer.patch_length
    method = Channel()
    replacement = method.fit(data, method.candidate(data.layer, (4,), 0.0))
    assert not replacement.solver.startswith("refit")
    assert_equal_outputs(
        found.model, with_replacement(found.model, data.layer, replacement), images_for(found, 3)
    )


@given(st.integers(0, 600), st.integers(1, 600))
def test_rank_grid(largest: int, channels: int) -> None:
    grid = rank_grid(largest, channels)
    assert grid == sorted(set(grid))
    assert all(1 <= rank <= largest for rank in grid)
    assert (1 in grid) == (largest >= 1)
    assert all(after - before <= 8 for before, after in itertools.pairwise(grid))


@given(st.lists(st.integers(), unique=True), st.integers(1, 30))
def test_thinned_values_keep_both_ends(values: list[int], count: int) -> None:
    kept = thin(sorted(values), count)
    assert len(kept) <= count or not values
    assert set(kept) <= set(values)
    assert kept == sorted(kept)
    if values and count > 1:
        assert (kept[0], kept[-1]) == (min(values), max(values))


@pytest.mark.parametrize("value", [1e39, np.nan, np.inf])
def test_weights_beyond_float32_are_refused(value: float) -> None:
    with pytest.raises(ModelRefusedError, match="beyond float32"):
        to_float32(np.array([1.0, value]))
