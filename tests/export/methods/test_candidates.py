"""What every method offers: where it applies and nowhere else, at the cost and the error it tells."""

import itertools
import math
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st

from export.calibrate import layer_moments
from export.calibrate.weighted_layer import weighted_layer
from export.choose.cost import multiply_adds, stored_bytes
from export.fit.data import LayerData
from export.fit.moments import Moments
from export.layer import ConvolutionShape
from export.methods import METHODS
from export.methods.base import Candidate, thin
from export.network.layers import ReducibleNetwork
from tests.export.dense_networks import dense
from tests.export.methods.ways import (
    APPLIES,
    COSTS,
    LAYERS,
    WAYS,
    answers,
    enough_images,
    exceptions,
    layer_of,
    networks_for,
    replaced,
    samples_of,
)
from tests.export.small_networks import Geometry, behind_another, convolution, count_macs, images_for


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", METHODS)
def test_something_is_offered_where_a_method_applies_and_nowhere_else(name: str, layer: str) -> None:
    network = LAYERS[layer]
    candidates = WAYS[name].candidates(samples_of(network, images_for(network, 25)))
    assert bool(candidates) == (layer in APPLIES[name])


@pytest.mark.parametrize("name", METHODS)
def test_a_layer_of_which_only_the_responses_are_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs too long for moments of their own: what needs those has nothing to offer."""
    monkeypatch.setattr(layer_moments, "MAX_DENSE_INPUTS", 11)
    network = LAYERS["fully connected"]
    candidates = WAYS[name].candidates(samples_of(network, images_for(network, 25)))
    assert bool(candidates) == (name in ("fully-connected", "weight-svd"))


def shapes_left(network: ReducibleNetwork, candidate: Candidate) -> list[ConvolutionShape]:
    """Of all convolutions, once a candidate is in its layer's place and unread channels are left out."""
    layer = layer_of(network)
    read = layer.in_channels if candidate.inputs_read is None else candidate.inputs_read
    others = [other.shape for other in network.layers if other is not layer]
    return [*(shape.with_outputs(read) for shape in others), *candidate.convolutions]


def stored_in(model: onnx.ModelProto, *, without_zeros: set[str]) -> int:
    """Bytes of all weights: four each, or a bit each and four for those of some tensors that are not zero."""
    total = 0
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(tensor)
            sparse = tensor.name in without_zeros
            total += np.packbits(values != 0).nbytes if sparse else 0
            total += 4 * (np.count_nonzero(values) if sparse else values.size)
    return total


@pytest.mark.parametrize("name", METHODS)
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_candidates_cost_what_the_resulting_graph_costs_and_less_than_the_layer(
    name: str, data: st.DataObject
) -> None:
    network, method = data.draw(networks_for(name)), WAYS[name]
    layer, samples = layer_of(network), samples_of(network, enough_images(network))
    candidates = method.candidates(samples)
    cost = COSTS.get(name, multiply_adds)
    assert all(cost(candidate.convolutions) < cost([layer.shape]) for candidate in candidates)
    assert all(candidate.method == name for candidate in candidates)
    assert len({candidate.ranks for candidate in candidates}) == len(candidates)
    for candidate in thin(candidates, 4):
        assert candidate == method.candidate(layer, candidate.ranks, candidate.relative_error)
        model = replaced(network, layer, method.fit(samples, candidate))
        left = shapes_left(network, candidate)
        assert multiply_adds(left) == count_macs(model, network.shapes[network.input_name][2:])
        floats = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
        assert sum(shape.parameters for shape in left) == sum(math.prod(t.dims) for t in floats)
        sparse = {floats[-2].name} if any(shape.connections is not None for shape in left) else set()
        assert stored_bytes(left) == stored_in(model, without_zeros=sparse)
        assert candidate.macs == multiply_adds(candidate.convolutions)
        assert candidate.parameters == sum(shape.parameters for shape in candidate.convolutions)


@pytest.mark.parametrize("name", METHODS)
def test_an_ordinary_layer_may_become_several_times_cheaper(name: str) -> None:
    layer = min(APPLIES[name])
    candidates = WAYS[name].candidates(samples_of(LAYERS[layer], images_for(LAYERS[layer], 25)))
    cost = COSTS.get(name, multiply_adds)
    least = min(cost(candidate.convolutions) for candidate in candidates)
    assert 3 * least < cost([layer_of(LAYERS[layer]).shape])


@pytest.mark.parametrize("name", ["channel", "fully-connected", "weight-svd"])
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_energy_lost_on_held_out_images_never_grows_with_rank(name: str, data: st.DataObject) -> None:
    network = data.draw(networks_for(name))
    candidates = WAYS[name].candidates(samples_of(network, enough_images(network)))
    errors = [candidate.relative_error for candidate in sorted(candidates, key=lambda c: c.ranks)]
    assert all(late <= early + 1e-9 for early, late in itertools.pairwise(errors))


def of_one_position(name: str) -> ReducibleNetwork:
    """A layer whose whole input is one patch."""
    if "square" not in APPLIES[name] and "fully connected" in APPLIES[name]:
        return dense(12, 9)
    make = convolution if "square" in APPLIES[name] else behind_another
    return make(Geometry(4, 9, (3, 2), pads=(0, 0, 0, 0), size=(3, 2)))


def told_apart(network: ReducibleNetwork) -> LayerData:
    """Very many samples to fit on, and others to be judged by that are not like them."""
    random = np.random.default_rng(0)
    own = weighted_layer(network, layer_of(network))
    length = own.layer.patch_length
    mixed = random.normal(size=(length, length)) / math.sqrt(length)

    def moments(mix: np.ndarray, offset: float) -> Moments:
        x = random.normal(size=(2000, length)) @ mix + offset
        return Moments.of(x, x @ own.weights.T + own.bias)

    fit, held_out = moments(mixed, 0.5), moments(mixed + np.eye(length), -0.3)
    many = 10**9  # so that the fit on all of them is the one on those to fit on
    fit = replace(fit, count=many * fit.count, xx=many * fit.xx, yx=many * fit.yx, yy=many * fit.yy)
    return LayerData(own.layer, own.weights, own.bias, fit, held_out)


def answered_by(network: ReducibleNetwork, model: onnx.ModelProto) -> tuple[np.ndarray, np.ndarray]:
    """The weights (d, c·kh·kw) and the bias of a network of one position, from its answers."""
    shape = network.shapes[network.input_name]
    units = np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape)
    (bias,) = answers(model, [np.zeros(shape, np.float32)])
    return (answers(model, list(units)) - bias).T, bias


@pytest.mark.parametrize("way", WAYS)
def test_error_told_is_that_of_held_out_samples_and_no_others(way: str) -> None:
    """Computed anew from what the new network really answers."""
    network = of_one_position(WAYS[way].name)
    data = told_apart(network)
    candidates = thin(WAYS[way].candidates(data), 4)
    assert candidates
    for candidate in candidates:
        replacement = WAYS[way].fit(data, candidate)
        model = replaced(network, data.layer, replacement)
        judged = data.fit.merge(data.held_out) if exceptions(way).on_all_images else data.held_out
        expected = judged.error(*answered_by(network, model)) / judged.variance
        assert replacement.relative_error == pytest.approx(expected, rel=1e-3)
