"""Sparse connections: single weights, which saves storage, and whole input channels, which saves time."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings, strategies as st
from onnx import helper, numpy_helper

from export.choose.cost import stored_bytes
from export.fit.data import LayerData
from export.fit.moments import Moments
from export.layer import Layer
from export.methods import methods_named
from export.methods.base import Candidate
from export.methods.input_channels import InputChannels, contributions, elimination_order
from export.methods.sparse import CRITERIA, STEPS, Sparse, refit, strongest
from export.network.layers import ReducibleNetwork, network_of
from export.reduction.result import Reduction
from tests.attacks.networks import model_of, network
from tests.export.reductions import reduce_on
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

SQUARE = Geometry(6, 12, (3, 3), size=(5, 4))


def samples_of(found: ReducibleNetwork, images: Sequence[Array]) -> LayerData:
    return sample_layers(found, images)[found.layers[0].output]


def enough_images(found: ReducibleNetwork, seed: int = 0) -> list[Array]:
    (layer,) = found.layers
    return images_for(found, 5 + 3 * layer.patch_length // min(layer.positions, 20), seed)


def relative_error(found: ReducibleNetwork, model: onnx.ModelProto, images: Sequence[Array]) -> float:
    before, after = (np.stack(outputs(m, images)).astype(np.float64) for m in (found.model, model))
    mean = before.mean(axis=(0, 1, 3, 4), keepdims=True)
    return float(np.square(before - after).sum() / np.square(before - mean).sum())


def moments_of(inputs: int, answers: int, seed: int, samples: int = 300) -> tuple[Moments, np.ndarray]:
    """Moments of correlated inputs and what random weights answer to them; and these weights."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(samples, inputs)) @ random.normal(size=(inputs, inputs)) + 1
    weights = random.normal(size=(answers, inputs))
    return Moments.of(x, x @ weights.T + 0.1 * random.normal(size=(samples, answers))), weights


@settings(deadline=None, max_examples=20)
@given(geometry=geometries(channels=4, kernels=(1, 2, 3, 5)), seed=st.integers(0, 99))
def test_all_connections_are_the_layer_itself(geometry: Geometry, seed: int) -> None:
    assume(geometry.kernel != (1, 1))
    found = convolution(geometry, seed)
    data = samples_of(found, enough_images(found, seed))
    method = Sparse()
    candidate = method.candidate(data.layer, (data.weights.size,), 0.0)
    model = with_replacement(found.model, data.layer, method.fit(data, candidate))
    onnx.checker.check_model(model, full_check=True)
    assert_equal_outputs(found.model, model, images_for(found, 2, seed + 1))


def test_candidates_keep_as_many_weights_and_err_as_they_say() -> None:
    found = convolution(SQUARE)
    data = samples_of(found, images_for(found, 80))
    fresh = images_for(found, 80, seed=1)
    method = Sparse()
    candidates = method.candidates(data)
    assert candidates[0].ranks == (int(0.75 * data.weights.size),)
    assert all(late.relative_error > early.relative_error for early, late in itertools.pairwise(candidates))
    for candidate in candidates:
        replacement = method.fit(data, candidate)
        (layer,) = replacement.convolutions
        assert (np.count_nonzero(layer.weights),) == candidate.ranks
        model = with_replacement(found.model, data.layer, replacement)
        assert relative_error(found, model, fresh) == pytest.approx(replacement.relative_error, rel=0.15)
        assert candidate.relative_error == pytest.approx(replacement.relative_error, rel=0.15)


def test_zeros_save_storage_and_no_time() -> None:
    """The size told is that of a bitmap, the weights kept and the biases, and enough to rebuild all."""
    found = convolution(SQUARE)
    data = samples_of(found, images_for(found, 30))
    method = Sparse()
    candidate = method.candidate(data.layer, (100,), 0.0)
    assert candidate.macs == data.layer.macs
    assert candidate.parameters == data.layer.parameters
    (layer,) = method.fit(data, candidate).convolutions
    bitmap = np.packbits(layer.weights != 0)
    kept = layer.weights[layer.weights != 0]
    assert layer.bias is not None
    assert stored_bytes(candidate.convolutions) == bitmap.nbytes + kept.nbytes + layer.bias.nbytes
    rebuilt = np.zeros(layer.weights.size, np.float32)
    rebuilt[np.unpackbits(bitmap, count=rebuilt.size).astype(bool)] = kept
    np.testing.assert_array_equal(rebuilt.reshape(layer.weights.shape), layer.weights)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_strongest_connections_by_definition(criterion: str) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(50, 6)) * np.arange(1, 7)
    weights = random.normal(size=(4, 6))
    y = x @ weights.T
    strength = np.abs(weights) * x.std(axis=0)
    if criterion == "correlation":
        strength = np.abs(np.corrcoef(x.T, y.T)[6:, :6])
    kept = strongest(Moments.of(x, y), weights, 7, criterion)
    assert kept.sum() == 7
    assert strength[kept].min() >= strength[~kept].max()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 99))
def test_refit_is_the_regression_on_what_is_left(inputs: int, answers: int, seed: int) -> None:
    moments, weights = moments_of(inputs, answers, seed)
    mask = np.random.default_rng(seed + 1).random((answers, inputs)) < 0.6
    found = refit(moments, weights, mask, 200)
    assert not found[~mask].any()
    pull = 1e-3 * np.diag(moments.xx).mean()
    for row in range(answers):
        kept = mask[row]
        covariance = moments.xx[np.ix_(kept, kept)] + pull * np.eye(kept.sum())
        expected = np.linalg.solve(covariance, moments.yx[row, kept] + pull * weights[row, kept])
        np.testing.assert_allclose(found[row, kept], expected, rtol=1e-4, atol=1e-4)


def test_training_error_never_grows_with_connections() -> None:
    moments, weights = moments_of(20, 10, 0)
    for criterion in CRITERIA:
        errors = []
        for count in range(0, 201, 10):
            found = refit(moments, weights, strongest(moments, weights, count, criterion), STEPS)
            errors.append(moments.error(found, moments.mean_y - found @ moments.mean_x))
        assert all(late <= early + 1e-6 * moments.variance for early, late in itertools.pairwise(errors))
        assert errors[0] == pytest.approx(moments.variance)
        assert errors[-1] < 0.01 * moments.variance


def reduced(found: ReducibleNetwork, count: int = 40, **options: object) -> Reduction:
    return reduce_on(found, images_for(found, count), **options)  # type: ignore[arg-type]


def test_sparse_network_is_not_told_to_be_faster() -> None:
    found = network_of(network(), None, "a network")
    second = found.layers[1]
    decision = {second.output: Sparse().candidate(second, (288,), 0.0)}
    reduction = reduced(found, decision=decision, methods=(Sparse(),))
    assert reduction.speedup == 1
    assert reduction.parameters_ratio == 1
    report = reduction.layers[1]
    assert report.macs_after == second.macs
    assert report.storage_bytes_after == 1152 / 8 + 4 * (288 + 16)
    assert reduction.storage_ratio == pytest.approx(4 * found.parameters / (4 * 224 + 4 * 68 + 1360))
    assert np.count_nonzero(weight_of(reduction.model, "second")) == 288
    never = reduced(found, methods=(Sparse(),), target=1.5)
    assert (never.reached, never.speedup) == (False, 1)


def weight_of(model: onnx.ModelProto, layer: str) -> Array:
    """The weights of the first node of what stands for a layer."""
    node = next(node for node in model.graph.node if node.name.startswith(layer))
    return next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == node.input[1])


def with_source(data: LayerData) -> LayerData:
    """As if another convolution wrote for this one alone."""
    return replace(data, layer=replace(data.layer, source="earlier"))


@settings(deadline=None, max_examples=20)
@given(geometry=geometries(channels=4, kernels=(1, 2, 3, 5)), seed=st.integers(0, 99))
def test_all_input_channels_are_the_layer_itself(geometry: Geometry, seed: int) -> None:
    assume(geometry.kernel != (1, 1))
    found = convolution(geometry, seed)
    data = samples_of(found, enough_images(found, seed))
    method = InputChannels()
    candidate = method.candidate(data.layer, (geometry.in_channels,), 0.0)
    model = with_replacement(found.model, data.layer, method.fit(data, candidate))
    assert_equal_outputs(found.model, model, images_for(found, 2, seed + 1))


def test_input_channels_need_a_source() -> None:
    found = convolution(SQUARE)
    data = samples_of(found, images_for(found, 20))
    assert InputChannels().candidates(data) == []
    assert [c.ranks for c in InputChannels().candidates(with_source(data))] == [(n,) for n in range(1, 6)]


def test_candidates_read_as_many_channels_and_err_as_they_say() -> None:
    found = convolution(SQUARE)
    data = with_source(samples_of(found, images_for(found, 80)))
    fresh = images_for(found, 80, seed=1)
    method = InputChannels()
    candidates = method.candidates(data)
    for early, late in itertools.pairwise(candidates):
        assert late.relative_error < early.relative_error
    for candidate in candidates:
        (count,) = candidate.ranks
        replacement = method.fit(data, candidate)
        (layer,) = replacement.convolutions
        assert np.any(layer.weights, axis=(0, 2, 3)).sum() == count
        assert candidate.macs * 6 == data.layer.macs * count
        model = with_replacement(found.model, data.layer, replacement)
        assert relative_error(found, model, fresh) == pytest.approx(replacement.relative_error, rel=0.15)
        assert candidate.relative_error == pytest.approx(replacement.relative_error, rel=0.15)


def test_contributions_by_definition() -> None:
    random = np.random.default_rng(0)
    x, weights = random.normal(size=(40, 12)), random.normal(size=(5, 12))
    y = x @ weights.T + random.normal(size=(40, 5))
    gram, target = contributions(Moments.of(x, y), weights, 4)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    parts = np.stack([x[:, 3 * j : 3 * j + 3] @ weights[:, 3 * j : 3 * j + 3].T for j in range(4)])
    np.testing.assert_allclose(gram, np.einsum("ind,jnd->ij", parts, parts))
    np.testing.assert_allclose(target, np.einsum("ind,nd->i", parts, y))


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 7), st.integers(0, 99))
def test_each_step_drops_the_channel_that_is_missed_least(channels: int, seed: int) -> None:
    """Against trying every channel at every step."""
    moments, weights = moments_of(2 * channels, 3, seed)
    gram, target = contributions(moments, weights, channels)

    def explained(kept: list[int]) -> float:
        return float(target[kept] @ np.linalg.solve(gram[np.ix_(kept, kept)], target[kept]))

    alive = list(range(channels))
    for dropped in elimination_order(moments, weights, channels)[::-1][:-1]:
        best = max(explained([c for c in alive if c != other]) for other in alive)
        alive.remove(int(dropped))
        assert explained(alive) == pytest.approx(best, rel=1e-4)


def test_dead_and_doubled_channels_go_first() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 6))
    x[:, 2] = 0
    x[:, 4] = x[:, 1]
    weights = random.normal(size=(5, 6))
    order = elimination_order(Moments.of(x, x @ weights.T), weights, 6)
    assert order[-1] == 2
    assert order[-2] in (1, 4)


def lazy_network() -> onnx.ModelProto:
    """The second convolution of a network adds nothing but rounding errors for half of its inputs."""
    model = network()
    weight = model.graph.initializer[2]
    array = numpy_helper.to_array(weight).copy()
    array[:, [0, 3, 5, 6]] *= 1e-6
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return model


def test_channels_that_are_not_read_are_not_computed() -> None:
    found = network_of(lazy_network(), None, "a network")
    reduction = reduced(found, methods=(InputChannels(),), target=1.7)
    assert reduction.reached
    first, second, classifier = reduction.layers
    assert second.ranks == (4,)
    assert weight_of(reduction.model, "first").shape == (4, 3, 3, 3)
    assert weight_of(reduction.model, "second").shape == (16, 4, 3, 3)
    assert_equal_outputs(found.model, reduction.model, images_for(found, 3, seed=9))
    assert sum(layer.macs_after for layer in reduction.layers) == count_macs(reduction.model, (16, 16))
    assert (first.macs_after * 2, second.macs_after * 2) == (first.macs_before, second.macs_before)
    assert first.parameters_after == 4 * 27 + 4
    assert first.method is None
    assert first.reason == "narrowed: only what the next layer reads is left"
    assert classifier.macs_after == classifier.macs_before


def three_layers() -> ReducibleNetwork:
    random = np.random.default_rng(1)
    shapes = {"w1": (8, 3, 3, 3), "w2": (8, 8, 3, 3), "b2": (8,), "w3": (6, 8, 3, 3)}
    weights = {name: random.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], "one"),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "two"),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p2"], kernel_shape=[2, 2]),
        helper.make_node("Conv", ["p2", "w3"], ["scores"], "three"),
    ]
    return network_of(model_of(nodes, weights, ["N", 3, 14, 14], list("ndhw")), None, "three layers")


@pytest.mark.parametrize("other", ["input-channels", "channel", "sparse"])
def test_costs_are_those_of_the_network_whatever_becomes_of_the_source(other: str) -> None:
    found = three_layers()
    methods = {method.name: method for method in methods_named(["input-channels", other])}
    rank = {"input-channels": 5, "channel": 3, "sparse": 200}[other]
    layers = {layer.name: layer for layer in found.layers}

    def candidate(name: str, layer: Layer, count: int) -> Candidate:
        return methods[name].candidate(layer, (count,), 0.0)

    decision = {
        "c2": candidate(other, layers["two"], rank),
        "scores": candidate("input-channels", layers["three"], 6),
    }
    reduction = reduced(found, methods=tuple(methods.values()), decision=decision)
    macs = count_macs(reduction.model, (14, 14))
    assert sum(layer.macs_after for layer in reduction.layers) == macs
    stored = sum(int(np.prod(tensor.dims)) for tensor in reduction.model.graph.initializer)
    assert sum(layer.parameters_after for layer in reduction.layers) == stored
    assert reduction.speedup == pytest.approx(found.macs / macs)
    assert weight_of(reduction.model, "three").shape == (6, 6, 3, 3)
