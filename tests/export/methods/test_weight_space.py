"""Truncated SVD, Tucker-2 and CP of the weights: fitted without images, judged on them."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings, strategies as st

from export.fit.data import LayerData
from export.methods.base import Method
from export.methods.cp import Cp, alternating_least_squares
from export.methods.tucker import Tucker, higher_order_svd, orthogonal_iteration
from export.methods.weight_svd import WeightSvd, singular_vectors
from export.network.layers import ReducibleNetwork, network_of
from tests.attacks.networks import network
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

METHODS: dict[str, Method] = {method.name: method for method in (WeightSvd(), Tucker(), Cp())}
SQUARE = Geometry(6, 12, (3, 3), size=(7, 6))
ODD = Geometry(5, 9, (3, 5), (2, 1), (2, 0, 1, 3), (1, 2), (9, 12), bias=False)
RANKS = {"weight-svd": (5,), "tucker": (3, 6), "cp": (17,)}


def samples_of(found: ReducibleNetwork, count: int = 30, seed: int = 0) -> LayerData:
    return sample_layers(found, images_for(found, count, seed))["scores"]


def replaced(found: ReducibleNetwork, data: LayerData, name: str, ranks: tuple[int, ...]) -> onnx.ModelProto:
    method = METHODS[name]
    return with_replacement(
        found.model, data.layer, method.fit(data, method.candidate(data.layer, ranks, 0.0))
    )


def relative_error(found: ReducibleNetwork, model: onnx.ModelProto, images: Sequence[Array]) -> float:
    before, after = (np.stack(outputs(m, images)).astype(np.float64) for m in (found.model, model))
    mean = before.mean(axis=(0, 1, 3, 4), keepdims=True)
    return float(np.square(before - after).sum() / np.square(before - mean).sum())


@pytest.mark.parametrize("name", ["weight-svd", "tucker"])
@settings(deadline=None, max_examples=20)
@given(geometry=geometries(channels=5, kernels=(1, 2, 3, 5)), seed=st.integers(0, 99))
def test_full_rank_is_the_layer_itself(name: str, geometry: Geometry, seed: int) -> None:
    assume(geometry.kernel != (1, 1))
    found = convolution(geometry, seed)
    data = samples_of(found, 6)
    full = min(data.weights.shape)
    ranks = {"weight-svd": (full,), "tucker": (geometry.in_channels, geometry.out_channels)}[name]
    model = replaced(found, data, name, ranks)
    onnx.checker.check_model(model, full_check=True)
    assert_equal_outputs(found.model, model, images_for(found, 2, seed + 1))


@settings(deadline=None, max_examples=15)
@given(geometry=geometries(channels=3, kernels=(2, 3)), seed=st.integers(0, 99))
def test_cp_of_many_terms_is_nearly_the_layer_itself(geometry: Geometry, seed: int) -> None:
    """As many terms as W has entries are always enough; the sweeps get close to it."""
    found = convolution(geometry, seed)
    data = samples_of(found, 6)
    model = replaced(found, data, "cp", (data.weights.size,))
    onnx.checker.check_model(model, full_check=True)
    assert_equal_outputs(found.model, model, images_for(found, 2, seed + 1), tolerance=0.02)


@pytest.mark.parametrize("geometry", [SQUARE, ODD])
@pytest.mark.parametrize("name", METHODS)
def test_candidates_cost_what_they_say_and_err_as_they_say(name: str, geometry: Geometry) -> None:
    found = convolution(geometry)
    data = samples_of(found, 60)
    fresh = images_for(found, 60, seed=1)
    method = METHODS[name]
    candidates = method.candidates(data)
    assert len(candidates) > 5
    for candidate in candidates[:: max(1, len(candidates) // 5)]:
        replacement = method.fit(data, candidate)
        model = with_replacement(found.model, data.layer, replacement)
        assert candidate.macs == count_macs(model, geometry.size) < data.layer.macs
        stored = sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
        assert candidate.parameters == stored
        assert candidate == method.candidate(data.layer, candidate.ranks, candidate.relative_error)
        assert relative_error(found, model, fresh) == pytest.approx(replacement.relative_error, rel=0.15)
        if name != "tucker":  # whose candidates are judged before the last step of the fit
            assert candidate.relative_error == pytest.approx(replacement.relative_error, rel=0.15)


@pytest.mark.parametrize("name", METHODS)
def test_fit_does_not_look_at_the_images(name: str) -> None:
    found = convolution(SQUARE)
    models = [replaced(found, samples_of(found, 8, seed), name, RANKS[name]) for seed in (0, 1)]
    assert models[0].SerializeToString() == models[1].SerializeToString()


@pytest.mark.parametrize("name", METHODS)
def test_a_fully_connected_layer_is_a_matrix_and_no_tensor(name: str) -> None:
    found = network_of(network(), None, "a network")
    data = samples_of(found)
    assert data.layer.name == "classifier"
    assert bool(METHODS[name].candidates(data)) == (name == "weight-svd")


def test_cp_needs_two_axes_to_separate() -> None:
    assert Cp().candidates(samples_of(convolution(Geometry(6, 12, (1, 5), pads=(0, 2, 0, 2))))) == []


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_svd_is_the_best_approximation_of_the_weights(rows: int, columns: int, seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(rows, columns))
    vectors = singular_vectors(weights)
    values = np.linalg.svd(weights, compute_uv=False)
    for rank in range(1, min(rows, columns) + 1):
        kept = vectors[:, :rank] @ vectors[:, :rank].T @ weights
        assert np.square(weights - kept).sum() == pytest.approx(np.square(values[rank:]).sum(), abs=1e-9)


def test_svd_error_never_grows_with_rank() -> None:
    errors = [c.relative_error for c in WeightSvd().candidates(samples_of(convolution(SQUARE)))]
    assert all(late <= early + 1e-9 for early, late in itertools.pairwise(errors))
    assert errors[0] > errors[-1] + 0.1


def weight_error(kernel: np.ndarray, kept: np.ndarray) -> float:
    return float(np.square(kernel - kept).sum() / np.square(kernel).sum())


kernels = st.builds(
    lambda shape, seed: np.random.default_rng(seed).normal(size=shape),
    st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 9)),
    st.integers(0, 999),
)


@settings(deadline=None)
@given(kernels)
def test_error_of_higher_order_svd_never_grows_with_either_rank(kernel: np.ndarray) -> None:
    whole = higher_order_svd(kernel)
    outputs_, inputs, _ = kernel.shape
    errors = np.array(
        [
            [weight_error(kernel, whole.cut((s, r)).project(kernel)) for r in range(1, outputs_ + 1)]
            for s in range(1, inputs + 1)
        ]
    )
    assert (np.diff(errors, axis=0) <= 1e-9).all()
    assert (np.diff(errors, axis=1) <= 1e-9).all()
    assert errors[-1, -1] == pytest.approx(0, abs=1e-12)


@settings(deadline=None)
@given(kernels, st.integers(1, 7), st.integers(1, 7))
def test_orthogonal_iteration_never_raises_the_error(kernel: np.ndarray, inputs: int, outputs_: int) -> None:
    start = higher_order_svd(kernel).cut((inputs, outputs_))
    found = orthogonal_iteration(kernel, start)
    before, after = (weight_error(kernel, bases.project(kernel)) for bases in (start, found))
    assert after <= before + 1e-9
    assert found.outputs.shape == start.outputs.shape
    np.testing.assert_allclose(found.inputs.T @ found.inputs, np.eye(found.inputs.shape[1]), atol=1e-9)


def test_orthogonal_iteration_finds_what_higher_order_svd_misses() -> None:
    random = np.random.default_rng(3)
    kernel = random.normal(size=(10, 10, 9))
    start = higher_order_svd(kernel).cut((3, 3))
    before, after = (
        weight_error(kernel, bases.project(kernel)) for bases in (start, orthogonal_iteration(kernel, start))
    )
    assert after < before - 0.01


@settings(deadline=None, max_examples=20)
@given(
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 4), st.integers(1, 4)),
    st.lists(st.integers(1, 30), min_size=2, max_size=5, unique=True),
    st.integers(0, 999),
)
def test_cp_error_never_grows_with_rank(
    shape: tuple[int, int, int, int], ranks: list[int], seed: int
) -> None:
    kernel = np.random.default_rng(seed).normal(size=shape)
    found = list(alternating_least_squares(kernel, sorted(ranks)))
    assert [factors.rank for factors in found] == sorted(ranks)
    errors = [weight_error(kernel, factors.tensor()) for factors in found]
    assert all(late <= early + 1e-9 for early, late in itertools.pairwise([1.0, *errors]))


def test_cp_finds_a_sum_of_few_products() -> None:
    random = np.random.default_rng(1)
    factors = [random.normal(size=(side, 4)) for side in (12, 10, 3, 5)]
    kernel = np.einsum("ar,br,cr,dr->abcd", *factors)
    *_, found = alternating_least_squares(kernel, [1, 2, 3, 4, 6])
    assert weight_error(kernel, found.tensor()) < 1e-4


def test_cp_of_nothing() -> None:
    (found,) = alternating_least_squares(np.zeros((4, 3, 3, 3)), [2])
    assert not found.tensor().any()
