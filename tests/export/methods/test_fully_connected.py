"""Two Gemms in a fully connected layer's place: which fit is taken when; the rest is in ``test_methods``."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import helper, numpy_helper

from export.calibrate import layer_moments
from export.fit.data import LayerData
from export.methods.base import Method
from export.methods.channel import Channel
from export.methods.fully_connected import FullyConnected
from export.methods.weight_svd import WeightSvd
from export.network.layers import ReducibleNetwork, network_of, read_network
from export.network.source import read_source
from tests.attacks.networks import model_of, network
from tests.export.dense_networks import dense, dense_networks
from tests.export.methods.ways import relative_error
from tests.export.reductions import reduce_on
from tests.export.small_networks import (
    Array,
    assert_equal_outputs,
    images_for,
    sample_layers,
    with_replacement,
)

METHODS: dict[str, Method] = {"fully-connected": FullyConnected(), "weight-svd": WeightSvd()}


def samples_of(found: ReducibleNetwork, count: int) -> LayerData:
    return sample_layers(found, images_for(found, count))["scores"]


def replaced(found: ReducibleNetwork, data: LayerData, name: str, rank: int) -> onnx.ModelProto:
    candidate = METHODS[name].candidate(data.layer, (rank,), 0.0)
    return with_replacement(found.model, data.layer, METHODS[name].fit(data, candidate))


@pytest.mark.parametrize("name", METHODS)
@settings(deadline=None, max_examples=25)
@given(found=dense_networks(), images=st.integers(5, 60))
def test_two_gemms_are_the_layer_itself_however_few_images(
    name: str, found: ReducibleNetwork, images: int
) -> None:
    data = samples_of(found, images)
    model = replaced(found, data, name, min(data.weights.shape))
    assert [node.op_type for node in model.graph.node] == ["Reshape", "Gemm", "Gemm"]
    assert_equal_outputs(found.model, model, images_for(found, 3, seed=100))


@pytest.mark.parametrize("name", METHODS)
def test_every_rank_that_is_cheaper_and_a_round_number_is_offered(name: str) -> None:
    candidates = METHODS[name].candidates(samples_of(dense(40, 24, rows=3), 60))
    assert [candidate.ranks for candidate in candidates] == [(1,), (3,), (6,), (9,), (12,)]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("images", [6, 200])
def test_held_out_error_never_grows_with_rank(name: str, images: int) -> None:
    candidates = METHODS[name].candidates(samples_of(dense(30, 20), images))
    errors = [candidate.relative_error for candidate in candidates]
    assert all(late <= early + 1e-9 for early, late in itertools.pairwise(errors))
    assert errors[0] > errors[-1] + 0.1


def test_fewer_samples_than_outputs_leave_the_weights_to_go_by() -> None:
    found = dense(30, 20)
    data = samples_of(found, 20)
    method = FullyConnected()
    replacement = method.fit(data, method.candidate(data.layer, (6,), 0.0))
    assert replacement.solver == "svd"
    expected = replaced(found, data, "weight-svd", 6)
    model = with_replacement(found.model, data.layer, replacement)
    assert_equal_outputs(expected, model, images_for(found, 3, seed=1), tolerance=1e-5)


def with_inputs_of_few_directions(images: list[Array]) -> list[Array]:
    """Inputs in a subspace that the weights say nothing about."""
    basis = np.random.default_rng(5).normal(size=(3, images[0].shape[2])).astype(np.float32)
    return [(image[:, :, :3, 0] @ basis)[..., None] for image in images]


@pytest.mark.parametrize("images", [50, 200])
def test_samples_tell_what_weights_cannot(images: int) -> None:
    found = dense(30, 20)
    data = sample_layers(found, with_inputs_of_few_directions(images_for(found, images)))["scores"]
    errors = {}
    for name, method in METHODS.items():
        candidate = method.candidate(data.layer, (3,), 0.0)
        errors[name] = method.fit(data, candidate).relative_error
    assert errors["fully-connected"] < 1e-4
    assert errors["weight-svd"] > 0.1


def on_a_changed_input(found: ReducibleNetwork, images: int) -> LayerData:
    """The responses of a layer, and an input half of which has faded."""
    data = samples_of(found, images)
    fading = np.repeat([0.2, 1.0], data.layer.in_channels // 2)
    fit, held_out = (
        replace(part, mean_x=fading * part.mean_x, xx=np.outer(fading, fading) * part.xx, yx=part.yx * fading)
        for part in (data.fit, data.held_out)
    )
    return replace(data, fit=fit, held_out=held_out)


@pytest.mark.parametrize(
    ("images", "solver", "least", "most"), [(20, "asymmetric", 0.1, 1), (400, "refit", 0, 1e-3)]
)
def test_refit_needs_more_samples_than_inputs(images: int, solver: str, least: float, most: float) -> None:
    """Only the regression on the input itself can bring a faded half of it back."""
    data = on_a_changed_input(dense(20, 8), images)
    method = FullyConnected()
    replacement = method.fit(data, method.candidate(data.layer, (8,), 0.0))
    assert replacement.solver == solver
    assert least <= replacement.relative_error <= most


def test_long_inputs_are_judged_by_their_responses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dense(30, 10)
    images = with_inputs_of_few_directions(images_for(found, 33))
    method = FullyConnected()
    models = []
    for longest, size in ((30, 30), (29, 10)):
        monkeypatch.setattr(layer_moments, "MAX_DENSE_INPUTS", longest)
        data = sample_layers(found, images)["scores"]
        assert len(data.fit.mean_x) == size
        for name in METHODS:
            assert_equal_outputs(found.model, replaced(found, data, name, 10), images_for(found, 3, seed=1))
        replacement = method.fit(data, method.candidate(data.layer, (3,), 0.0))
        assert replacement.solver == "asymmetric"
        models.append(with_replacement(found.model, data.layer, replacement))
    assert_equal_outputs(models[0], models[1], images[:3])


def whole_network(operation: str) -> ReducibleNetwork:
    """Two convolutions and a classifier of 16 inputs and 4 outputs."""
    model = network()
    if operation == "MatMul":
        weight = model.graph.initializer[4]
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).T.copy(), "w3"))
        del model.graph.node[-1]
        model.graph.node.append(helper.make_node("MatMul", ["f", "w3"], ["product"], "classifier"))
        model.graph.node.append(helper.make_node("Add", ["product", "b3"], ["scores"], "add"))
    return network_of(model, None, "a network")


@pytest.mark.parametrize("operation", ["Gemm", "MatMul"])
@pytest.mark.parametrize("images", [5, 40])
def test_whole_network(operation: str, images: int) -> None:
    found = whole_network(operation)
    method = FullyConnected()
    classifier = found.layers[-1]
    decision = {classifier.output: method.candidate(classifier, (4,), 0.0)}
    reduction = reduce_on(found, images_for(found, images), decision=decision, methods=(method,))
    assert_equal_outputs(found.model, reduction.model, images_for(found, 3, seed=1))
    report = reduction.layers[-1]
    assert (report.op_type, report.method, report.ranks) == (operation, "fully-connected", (4,))
    assert report.macs_after == 4 * (16 + 4)
    assert report.parameters_after == 4 * (16 + 4) + 4
    assert report.storage_bytes_after == 4 * report.parameters_after
    assert reduction.speedup == pytest.approx(found.macs / (found.macs - 64 + 80))


def test_few_images_that_are_enough_for_the_convolutions_are_enough() -> None:
    found = whole_network("Gemm")
    reduction = reduce_on(found, images_for(found, 5), target=2.0)
    assert reduction.reached
    assert reduction.layers[1].method is not None


def residual_network() -> ReducibleNetwork:
    """``scores = f + W relu(V f)`` behind a convolution, five rows an image."""
    random = np.random.default_rng(0)
    shapes = {"w": (8, 3, 3, 3), "v": (16, 8), "u": (8, 16)}
    weights = {name: random.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], "convolution"),
        helper.make_node("Reshape", ["c", "shape"], ["f"], "rows"),
        helper.make_node("Gemm", ["f", "v"], ["h"], "wide", transB=1),
        helper.make_node("Relu", ["h"], ["r"], "relu"),
        helper.make_node("Gemm", ["r", "u"], ["g"], "narrow", transB=1),
        helper.make_node("Add", ["f", "g"], ["scores"], "sum"),
    ]
    weights["shape"] = np.array([-1, 8])
    return network_of(model_of(nodes, weights, [1, 3, 7, 3], ["rows", 8]), None, "a residual network")


def test_rows_and_a_residual_sum() -> None:
    """The last layer before the sum makes up for some of the error that came in before."""
    found = residual_network()
    layers = {layer.name: layer for layer in found.layers}
    first = Channel().candidate(layers["convolution"], (5,), 0.0)
    error = {}
    for rank in (None, 8):
        decision = {"c": first}
        if rank is not None:
            decision["g"] = FullyConnected().candidate(layers["narrow"], (rank,), 0.0)
        methods = (Channel(), FullyConnected())
        reduction = reduce_on(found, images_for(found, 200), decision=decision, methods=methods)
        error[rank] = relative_error(found, reduction.model, images_for(found, 50, seed=1))
    assert error[8] < 0.995 * error[None]


@pytest.mark.assets
def test_storage_of_a_trained_network(assets: Path) -> None:
    """The first fully connected layer holds two thirds of the weights of this network."""
    found = read_network(read_source(assets / "models" / "gtsrb_cnn.onnx"), (30, 30))
    layer = next(layer for layer in found.layers if layer.name == "d")
    candidate = FullyConnected().candidate(layer, (64,), 0.0)
    assert layer.parameters == 147_712 > found.parameters / 2
    assert candidate.parameters == 64 * (576 + 256) + 256
