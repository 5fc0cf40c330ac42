"""Sparse connections: single weights become zero, which saves storage and no time."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from export.choose.cost import stored_bytes
from export.fit.moments import Moments
from export.methods.sparse import CRITERIA, STEPS, Sparse, refit, strongest
from export.network.layers import network_of
from tests.attacks.networks import network
from tests.export.methods.correlated_inputs import moments_of
from tests.export.methods.ways import SQUARE, samples_of
from tests.export.reductions import reduce_on, weight_of
from tests.export.small_networks import convolution, images_for


def test_candidates_keep_as_many_weights_as_they_say() -> None:
    found = convolution(SQUARE)
    data = samples_of(found, images_for(found, 80))
    candidates = Sparse().candidates(data)
    assert [c.ranks for c in candidates] == [(n,) for n in (486, 324, 226, 162, 97, 64)]
    assert all(late.relative_error > early.relative_error for early, late in itertools.pairwise(candidates))
    for candidate in candidates:
        (layer,) = Sparse().fit(data, candidate).convolutions
        assert (np.count_nonzero(layer.weights),) == candidate.ranks


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


def test_sparse_network_is_not_told_to_be_faster() -> None:
    found = network_of(network(), None, "a network")
    second = found.layers[1]
    decision = {second.output: Sparse().candidate(second, (288,), 0.0)}
    reduction = reduce_on(found, images_for(found, 40), decision=decision, methods=(Sparse(),))
    assert reduction.speedup == 1
    assert reduction.parameters_ratio == 1
    report = reduction.layers[1]
    assert report.macs_after == second.macs
    assert report.storage_bytes_after == 1152 / 8 + 4 * (288 + 16)
    assert reduction.storage_ratio == pytest.approx(4 * found.parameters / (4 * 224 + 4 * 68 + 1360))
    assert np.count_nonzero(weight_of(reduction.model, "second")) == 288
    never = reduce_on(found, images_for(found, 40), methods=(Sparse(),), target=1.5)
    assert (never.reached, never.speedup) == (False, 1)
