"""Grouped convolutions: every method on each group by itself."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper

from export.calibrate.layer_moments import moments_bytes
from export.fit.data import LayerData
from export.layer import Layer
from export.methods import methods_named
from export.methods.base import Method
from export.methods.grouped import part_of
from export.network.layers import ReducibleNetwork, network_of
from tests.attacks.networks import model_of
from tests.export.reductions import reduce_on
from tests.export.small_networks import (
    Array,
    Geometry,
    assert_equal_outputs,
    count_macs,
    geometries,
    images_for,
    outputs,
    sample_layers,
    with_replacement,
)

NAMES = ("channel", "spatial", "combined", "weight-svd", "tucker", "sparse")
METHODS: dict[str, Method] = {method.name: method for method in methods_named(NAMES)}
SQUARE = Geometry(4, 8, (3, 3), size=(7, 6))


def grouped(geometry: Geometry, groups: int, seed: int = 0) -> ReducibleNetwork:
    """A convolution, ``only``, of so many groups; the channels of the geometry are those of one."""
    random = np.random.default_rng(seed)
    shape = (groups * geometry.out_channels, geometry.in_channels, *geometry.kernel)
    weights = {"w": random.normal(0, 1 / math.sqrt(math.prod(shape[1:])), shape).astype(np.float32)}
    if geometry.bias:
        weights["b"] = random.normal(0, 1, shape[0]).astype(np.float32)
    node = helper.make_node(
        "Conv",
        ["image", *weights],
        ["scores"],
        "only",
        strides=geometry.stride,
        pads=geometry.pads,
        dilations=geometry.dilation,
        group=groups,
    )
    channels = groups * geometry.in_channels
    model = model_of([node], weights, ["N", channels, *geometry.size], list("ndhw"))
    return network_of(model, None, "a grouped convolution")


def images_of(found: ReducibleNetwork, seed: int = 0) -> list[Array]:
    """Twice as many samples as a group has unknowns."""
    (layer,) = found.layers
    return images_for(found, 5 + 3 * layer.patch_length // min(layer.positions, 20), seed)


def samples_of(found: ReducibleNetwork, images: Sequence[Array]) -> LayerData:
    return sample_layers(found, images)["scores"]


def replaced(found: ReducibleNetwork, data: LayerData, name: str, ranks: tuple[int, ...]) -> onnx.ModelProto:
    method = METHODS[name]
    return with_replacement(
        found.model, data.layer, method.fit(data, method.candidate(data.layer, ranks, 0.0))
    )


def full_ranks(name: str, layer: Layer) -> tuple[int, ...]:
    """The ranks of all groups together at which a method can express any weights."""
    part = part_of(layer)
    filters = min(part.in_channels * part.kernel[0], part.kernel[1] * part.out_channels)
    whole = {
        "spatial": (filters,),
        "combined": (filters, min(part.out_channels, filters * part.kernel[1])),
        "tucker": (part.in_channels, part.out_channels),
        "sparse": (part.out_channels * part.patch_length,),
    }.get(name, (min(part.out_channels, part.patch_length),))
    return tuple(layer.group * rank for rank in whole)


def test_grouped_layer_is_reducible_and_depthwise_is_not() -> None:
    assert grouped(SQUARE, 3).layers[0].reason is None
    for outputs_of_a_channel in (1, 2):
        depthwise = grouped(Geometry(1, outputs_of_a_channel, (3, 3)), 4)
        assert depthwise.layers[0].reason == "depthwise"


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=15)
@given(
    geometry=geometries(channels=3, kernels=(2, 3, 5)),
    groups=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_full_rank_is_the_layer_itself(name: str, geometry: Geometry, groups: int, seed: int) -> None:
    found = grouped(geometry, groups, seed)
    (layer,) = found.layers
    if layer.reason is not None:
        assert layer.reason == "depthwise"
        return
    data = samples_of(found, images_of(found, seed))
    model = replaced(found, data, name, full_ranks(name, layer))
    onnx.checker.check_model(model, full_check=True)
    assert_equal_outputs(found.model, model, images_for(found, 2, seed + 1))


def relative_error(found: ReducibleNetwork, model: onnx.ModelProto, images: Sequence[Array]) -> float:
    before, after = (np.stack(outputs(m, images)).astype(np.float64) for m in (found.model, model))
    mean = before.mean(axis=(0, 1, 3, 4), keepdims=True)
    return float(np.square(before - after).sum() / np.square(before - mean).sum())


@pytest.mark.parametrize("name", NAMES)
def test_candidates_cost_what_they_say_and_err_as_they_say(name: str) -> None:
    found = grouped(SQUARE, 3)
    data = samples_of(found, images_for(found, 60))
    fresh = images_for(found, 30, seed=1)
    method = METHODS[name]
    candidates = method.candidates(data)
    for candidate in candidates[:: max(1, len(candidates) // 5)]:
        replacement = method.fit(data, candidate)
        model = with_replacement(found.model, data.layer, replacement)
        assert candidate.macs == count_macs(model, SQUARE.size)
        assert candidate.parameters == sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
        assert candidate == method.candidate(data.layer, candidate.ranks, candidate.relative_error)
        met = relative_error(found, model, fresh)
        assert met == pytest.approx(replacement.relative_error, rel=0.2)
        assert candidate.relative_error == pytest.approx(replacement.relative_error, rel=0.2)


@pytest.mark.parametrize("name", ["channel", "spatial", "weight-svd"])
def test_held_out_error_never_grows_with_rank(name: str) -> None:
    found = grouped(SQUARE, 3)
    candidates = METHODS[name].candidates(samples_of(found, images_for(found, 60)))
    errors = [candidate.relative_error for candidate in sorted(candidates, key=lambda c: c.ranks)]
    assert all(late <= early + 1e-9 for early, late in itertools.pairwise(errors))
    assert errors[0] > errors[-1] + 0.1


@pytest.mark.parametrize("name", ["channel", "combined"])
def test_each_group_is_fitted_as_the_convolution_it_is(name: str) -> None:
    """The moments of a group are those of a network of that group alone."""
    found = grouped(SQUARE, 2)
    images = images_for(found, 12)
    data = samples_of(found, images)
    ranks = {"channel": (3,), "combined": (5, 3)}[name]
    model = replaced(found, data, name, tuple(2 * rank for rank in ranks))
    (answers,) = outputs(model, images[:1])
    for index in range(2):
        alone = grouped(SQUARE, 1)
        channels, filters = (slice(count * index, count * (index + 1)) for count in (4, 8))
        for tensor in alone.model.graph.initializer:
            whole = found.array(tensor.name)
            tensor.CopyFrom(onnx.numpy_helper.from_array(whole[filters], tensor.name))
        alone_images = [image[:, channels] for image in images]
        own = samples_of(alone, alone_images)
        np.testing.assert_allclose(data.parts[index].fit.xx, own.fit.xx, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(data.parts[index].held_out.yx, own.held_out.yx, rtol=1e-4, atol=1e-4)
        (answer,) = outputs(replaced(alone, own, name, ranks), alone_images[:1])
        np.testing.assert_allclose(answers[:, filters], answer, rtol=1e-3, atol=1e-3)


def test_memory_is_that_of_the_groups() -> None:
    layer = grouped(Geometry(8, 8, (3, 3)), 16).layers[0]
    data = samples_of(grouped(Geometry(8, 8, (3, 3)), 16), images_for(grouped(Geometry(8, 8, (3, 3)), 16), 8))
    arrays = [moments.xx for part in data.parts for moments in (part.fit, part.held_out)]
    arrays += [data.fit.yy, data.held_out.yy]
    assert data.fit.xx.size == 0
    assert moments_bytes(layer, with_patches=True) == sum(array.nbytes for array in arrays)


def test_whole_network() -> None:
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(0, 0.3, (16, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(0, 0.2, (32, 4, 3, 3)).astype(np.float32),
        "b2": random.normal(0, 1, 32).astype(np.float32),
        "w3": random.normal(0, 0.3, (32, 1, 3, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], "first"),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "grouped", group=4),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("Conv", ["r2", "w3"], ["scores"], "depthwise", group=32),
    ]
    found = network_of(model_of(nodes, weights, ["N", 3, 16, 16], list("ndhw")), None, "a network")
    reduction = reduce_on(found, images_for(found, 30), target=1.7, methods=methods_named(["channel"]))
    assert reduction.reached
    assert found.macs / count_macs(reduction.model, (16, 16)) == pytest.approx(reduction.speedup)
    assert [layer.reason for layer in reduction.layers][2] == "depthwise"
    report = reduction.layers[1]
    assert report.method == "channel"
    assert report.ranks is not None
    assert report.ranks[0] % 4 == 0
    convolutions = [node for node in reduction.model.graph.node if node.name.startswith("grouped/")]
    assert [helper.get_node_attr_value(node, "group") for node in convolutions] == [4, 4]
