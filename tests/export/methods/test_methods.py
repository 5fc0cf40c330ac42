"""Every method of ``METHODS``: the layer itself at full rank, better with every rank, as good as it says."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st

from export.layer import Layer
from export.methods import METHODS
from export.methods.base import thin
from export.methods.channel import SOLVERS
from export.network.layers import ReducibleNetwork, network_of
from tests.export.dense_networks import dense_model
from tests.export.methods.ways import (
    APPLIES,
    EXCEPTIONS,
    FULL_RANKS,
    LAYERS,
    WAYS,
    at_ranks,
    enough_images,
    exceptions,
    full_ranks,
    layer_of,
    networks_for,
    relative_error,
    replaced,
    samples_of,
)
from tests.export.small_networks import (
    Array,
    Geometry,
    assert_equal_outputs,
    behind_another,
    convolution,
    images_for,
)

#: Each way with the layers it applies to that differ in more than what stands before them.
CASES = [
    (way, layer)
    for way, method in WAYS.items()
    for layer in LAYERS
    if layer in APPLIES.get(method.name, ()) and ("behind" not in layer or method.name == "input-channels")
]
all_cases = pytest.mark.parametrize(("way", "layer"), CASES)


def test_every_method_is_asked_for_everything() -> None:
    """A method that is new to ``METHODS`` must be told to the tables, or it is not tested."""
    for table in (FULL_RANKS, APPLIES):
        assert table.keys() == METHODS.keys()
    assert EXCEPTIONS.keys() <= METHODS.keys()
    assert {method.name for method in WAYS.values()} == set(METHODS)
    assert all(f"channel, {solver}" in WAYS for solver in SOLVERS)


@pytest.mark.parametrize("name", METHODS)
def test_name_is_the_one_it_is_called_by(name: str) -> None:
    assert METHODS[name]().name == WAYS[name].name == name
    assert WAYS[name].needs_patches == METHODS[name]().needs_patches


def assert_full_rank_is_the_layer(
    network: ReducibleNetwork, way: str, images: Sequence[Array], *others: Array
) -> None:
    data = samples_of(network, images)
    model = at_ranks(network, data, way, full_ranks(way, data.layer))
    onnx.checker.check_model(model, full_check=True)
    images = [*images[:2], *others]
    assert_equal_outputs(network.model, model, images, tolerance=exceptions(way).tolerance)


@pytest.mark.parametrize("way", WAYS)
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_full_rank_is_the_layer_itself(way: str, data: st.DataObject) -> None:
    network = data.draw(networks_for(way))
    assert_full_rank_is_the_layer(network, way, enough_images(network), *images_for(network, 2, seed=1))


def with_dead_input(images: list[Array]) -> list[Array]:
    for image in images:
        image.reshape(-1)[: image.size // 3] = 0
    return images


def with_constant_input(images: list[Array]) -> list[Array]:
    for image in images:
        image.reshape(-1)[: image.size // 3] = 2.5
    return images


def with_copies(images: list[Array]) -> list[Array]:
    for image in images:
        image[:] = images[0]
    return images


def with_dark_images(images: list[Array]) -> list[Array]:
    return [image * np.float32(1e-18) for image in images]


def without_bias(way: str) -> ReducibleNetwork:
    """A small layer without a bias, which would hide what a fit makes of dark images."""
    applies, geometry = APPLIES[WAYS[way].name], Geometry(3, 6, (3, 3), size=(4, 4), bias=False)
    if "square" in applies:
        return convolution(geometry)
    if "fully connected" in applies:
        return network_of(dense_model(12, 8, bias=None), None, "it")
    return behind_another(geometry)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spoil", [with_dead_input, with_constant_input, with_copies, with_dark_images])
def test_full_rank_is_the_layer_itself_on_singular_statistics(
    way: str, spoil: Callable[[list[Array]], list[Array]]
) -> None:
    network = without_bias(way)
    assert_full_rank_is_the_layer(network, way, spoil(images_for(network, 20)))


@all_cases
def test_images_without_any_content(way: str, layer: str) -> None:
    network = LAYERS[layer]
    images = [0 * image for image in images_for(network, 20)]
    data = samples_of(network, images)
    candidates = thin(WAYS[way].candidates(data), 5)
    assert candidates
    for candidate in candidates:
        assert np.isfinite(candidate.relative_error)
        model = replaced(network, data.layer, WAYS[way].fit(data, candidate))
        assert_equal_outputs(network.model, model, images[:1])


def that_answers_nothing(network: ReducibleNetwork) -> ReducibleNetwork:
    """A copy of the network, the layer's weights zero; its bias stays."""
    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "w")
    weights.raw_data = bytes(len(weights.raw_data))
    return ReducibleNetwork(**{**vars(network), "model": model})


@all_cases
def test_layer_that_answers_nothing(way: str, layer: str) -> None:
    network = that_answers_nothing(LAYERS[layer])
    images = images_for(network, 20)
    data = samples_of(network, images)
    candidates = thin(WAYS[way].candidates(data), 5)
    assert candidates
    for candidate in candidates:
        assert candidate.relative_error == 0
        model = replaced(network, data.layer, WAYS[way].fit(data, candidate))
        assert_equal_outputs(network.model, model, images[:2])


def ladders(way: str, layer: Layer) -> list[list[tuple[int, ...]]]:
    """Rising ranks up to full, one after the other where there are two: the other one is full, or small."""
    full = full_ranks(way, layer)
    largest = min(full[-1], exceptions(way).largest_rank)
    steps = thin(range(layer.group, largest + 1, layer.group), 8)
    if len(full) == 1:
        return [[(rank,) for rank in steps]]
    first, small = full[0], 4 * layer.group
    return [
        [(first, rank) for rank in steps],
        [(rank, small) for rank in thin(range(layer.group, first + 1, layer.group), 8)],
    ]


def unit_images(network: ReducibleNetwork) -> list[Array]:
    """One for each value of the image: together their responses are the weights, each equally often."""
    shape = network.shapes[network.input_name]
    return list(np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape))


@all_cases
def test_training_error_never_grows_with_rank(way: str, layer: str) -> None:
    """Small outputs are sampled at every position, so the training error is that of the images."""
    network = LAYERS[layer]
    images = enough_images(network)
    data = samples_of(network, images)
    assert data.fit.count + data.held_out.count == len(images) * data.layer.positions
    known = exceptions(way)
    seen = unit_images(network) if known.of_weights else images
    for ladder in ladders(way, data.layer):
        errors = [relative_error(network, at_ranks(network, data, way, ranks), seen) for ranks in ladder]
        assert all(late <= early + known.slack for early, late in itertools.pairwise(errors)), errors
        assert len(errors) == 1 or errors[0] > errors[-1] + 0.1


@all_cases
def test_error_told_is_the_error_met_on_other_images(way: str, layer: str) -> None:
    network = LAYERS[layer]
    count = 60 if layer_of(network).positions > 3 else 3000
    data = samples_of(network, images_for(network, count))
    fresh, known = images_for(network, count, seed=1), exceptions(way)
    candidates = thin(WAYS[way].candidates(data), 4)
    assert candidates
    for candidate in candidates:
        replacement = WAYS[way].fit(data, candidate)
        met = relative_error(network, replaced(network, data.layer, replacement), fresh)
        assert met == pytest.approx(replacement.relative_error, rel=0.15)
        assert met == pytest.approx(candidate.relative_error, rel=0.15 + known.told_before)
