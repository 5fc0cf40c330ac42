"""Whole input channels removed, and with them filters of the convolution before."""

import itertools

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper, numpy_helper

from export.fit.moments import Moments
from export.layer import Layer
from export.methods import methods_named
from export.methods.base import Candidate
from export.methods.input_channels import InputChannels, contributions, elimination_order
from export.network.layers import ReducibleNetwork, network_of
from tests.attacks.networks import model_of, network
from tests.export.methods.correlated_inputs import moments_of
from tests.export.methods.ways import LAYERS, samples_of
from tests.export.reductions import reduce_on, weight_of
from tests.export.small_networks import assert_equal_outputs, count_macs, images_for


def test_candidates_read_as_many_channels_as_they_say() -> None:
    found = LAYERS["square, behind another"]
    data = samples_of(found, images_for(found, 80))
    candidates = InputChannels().candidates(data)
    assert [(c.ranks, c.inputs_read) for c in candidates] == [((n,), n) for n in range(1, 6)]
    for early, late in itertools.pairwise(candidates):
        assert late.relative_error < early.relative_error
    for candidate in candidates:
        (layer,) = InputChannels().fit(data, candidate).convolutions
        assert np.any(layer.weights, axis=(0, 2, 3)).sum() == candidate.inputs_read


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
    reduction = reduce_on(found, images_for(found, 40), methods=(InputChannels(),), target=1.7)
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
    reduction = reduce_on(found, images_for(found, 40), methods=tuple(methods.values()), decision=decision)
    macs = count_macs(reduction.model, (14, 14))
    assert sum(layer.macs_after for layer in reduction.layers) == macs
    stored = sum(int(np.prod(tensor.dims)) for tensor in reduction.model.graph.initializer)
    assert sum(layer.parameters_after for layer in reduction.layers) == stored
    assert reduction.speedup == pytest.approx(found.macs / macs)
    assert weight_of(reduction.model, "three").shape == (6, 6, 3, 3)
