"""Fully connected layers: how they are read, when they are left alone, and two Gemms in their place."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.calibrate import layer_moments
from export.choose.cost import stored_bytes
from export.fit.data import LayerData
from export.layer import Layer
from export.methods.base import Method
from export.methods.channel import Channel
from export.methods.fully_connected import FullyConnected
from export.methods.weight_svd import WeightSvd
from export.network.layers import ReducibleNetwork, network_of, read_network
from export.network.source import read_source
from tests.attacks.networks import model_of, network
from tests.export.reductions import reduce_on
from tests.export.small_networks import (
    Array,
    assert_equal_outputs,
    images_for,
    outputs,
    sample_layers,
    with_replacement,
)

METHODS: dict[str, Method] = {"fully-connected": FullyConnected(), "weight-svd": WeightSvd()}


def dense(
    inputs: int = 12,
    outputs: int = 8,
    *,
    rows: int = 1,
    operation: str = "Gemm",
    bias: tuple[int, ...] | None = (),
    seed: int = 0,
    **attributes: object,
) -> onnx.ModelProto:
    """A layer named ``only`` behind a Reshape to (rows, inputs); ``bias`` is the shape of its bias."""
    random = np.random.default_rng(seed)
    shape = (outputs, inputs) if attributes.get("transB") else (inputs, outputs)
    weights = {
        "shape": np.array([-1, inputs]),
        "w": random.normal(0, 1 / math.sqrt(inputs), shape).astype(np.float32),
    }
    if bias is not None and operation == "Gemm":
        weights["b"] = random.normal(0, 1, bias or outputs).astype(np.float32)
    names = [name for name in weights if name != "shape"]
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["flat"], "flatten"),
        helper.make_node(operation, ["flat", *names], ["scores"], "only", **attributes),
    ]
    return model_of(nodes, weights, [1, rows, inputs, 1], ["rows", outputs])


def read(model: onnx.ModelProto) -> ReducibleNetwork:
    return network_of(model, None, "a fully connected layer")


def only(model: onnx.ModelProto) -> Layer:
    return next(layer for layer in read(model).layers if layer.name == "only")


def samples_of(found: ReducibleNetwork, count: int) -> LayerData:
    return sample_layers(found, images_for(found, count))["scores"]


def replaced(found: ReducibleNetwork, data: LayerData, name: str, rank: int) -> onnx.ModelProto:
    candidate = METHODS[name].candidate(data.layer, (rank,), 0.0)
    return with_replacement(found.model, data.layer, METHODS[name].fit(data, candidate))


def relative_error(found: ReducibleNetwork, model: onnx.ModelProto, images: list[Array]) -> float:
    before, after = (np.concatenate(outputs(m, images)) for m in (found.model, model))
    return float(np.square(before - after).sum() / np.square(before - before.mean(axis=0)).sum())


@pytest.mark.parametrize("operation", ["Gemm", "MatMul"])
@pytest.mark.parametrize("rows", [1, 5])
def test_geometry_and_cost(operation: str, rows: int) -> None:
    layer = only(dense(12, 8, rows=rows, operation=operation))
    assert (layer.op_type, layer.in_channels, layer.out_channels) == (operation, 12, 8)
    assert (layer.positions, layer.patch_length) == (rows, 12)
    assert layer.macs == rows * 12 * 8
    assert layer.parameters == 12 * 8 + (8 if operation == "Gemm" else 0)
    assert layer.reason is None


def shared() -> onnx.ModelProto:
    model = dense(8, 8)
    model.graph.node[1].output[0] = "hidden"
    model.graph.node.append(helper.make_node("Gemm", ["hidden", "w", "b"], ["scores"], "other"))
    return model


def dynamic(position: int) -> onnx.ModelProto:
    model = dense()
    name = model.graph.node[1].input[position]
    model.graph.node.insert(1, helper.make_node("Neg", [name], ["computed"], "negate"))
    model.graph.node[2].input[position] = "computed"
    return model


def transposed() -> onnx.ModelProto:
    model = dense(12, 8, rows=12, transA=1)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 12
    return model


REASONS = [
    (dense(alpha=0.5), "alpha, beta or transA is set"),
    (dense(beta=0.0), "alpha, beta or transA is set"),
    (transposed(), "alpha, beta or transA is set"),
    (dense(rows=3, bias=(3, 8)), "its bias differs from row to row"),
    (dense(rows=3, bias=(3, 1)), "its bias differs from row to row"),
    (shared(), "shared weight: another layer uses it too"),
    (dynamic(1), "dynamic weight: computed by the network"),
    (dynamic(2), "dynamic bias: computed by the network"),
]


@pytest.mark.parametrize(("model", "reason"), REASONS, ids=[reason for _, reason in REASONS])
def test_why_a_layer_is_left_alone(model: onnx.ModelProto, reason: str) -> None:
    assert only(model).reason == reason


def test_layer_of_doubles_is_left_alone() -> None:
    model = dense()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for tensor in model.graph.initializer:
        if tensor.name != "shape":
            array = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    assert only(model).reason == "weights are double, not float"


def test_matmul_that_is_no_layer_has_no_row() -> None:
    model = dense(operation="MatMul")
    model.graph.node[0].CopyFrom(helper.make_node("Identity", ["image"], ["flat"], "flatten"))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 5
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 12
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    convolution = helper.make_node("Conv", ["image", "v"], ["other"], "convolution")
    model.graph.node.append(convolution)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "v"))
    assert [layer.name for layer in read(model).layers] == ["convolution"]


@st.composite
def layers(draw: st.DrawFn) -> onnx.ModelProto:
    """Fully connected layers of any shape, however their weights and biases are stored."""
    shape = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    rows, seed = draw(st.integers(1, 4)), draw(st.integers(0, 99))
    if draw(st.booleans()):
        return dense(*shape, rows=rows, operation="MatMul", seed=seed)
    bias = draw(st.sampled_from([None, (), (1,), (1, 1)]))
    return dense(*shape, rows=rows, bias=bias, seed=seed, transB=draw(st.integers(0, 1)))


@pytest.mark.parametrize("name", METHODS)
@settings(deadline=None, max_examples=25)
@given(model=layers(), images=st.integers(5, 60))
def test_full_rank_is_the_layer_itself(name: str, model: onnx.ModelProto, images: int) -> None:
    found = read(model)
    data = samples_of(found, images)
    model = replaced(found, data, name, min(data.weights.shape))
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Reshape", "Gemm", "Gemm"]
    assert_equal_outputs(found.model, model, images_for(found, 3, seed=100))


@pytest.mark.parametrize("name", METHODS)
def test_candidates_cost_what_they_say_and_less_than_the_layer(name: str) -> None:
    found = read(dense(40, 24, rows=3))
    data = samples_of(found, 60)
    candidates = METHODS[name].candidates(data)
    assert [candidate.ranks for candidate in candidates][:2] == [(1,), (3,)]
    assert max(candidate.ranks for candidate in candidates) == (12,)
    for candidate in candidates:
        (rank,) = candidate.ranks
        assert candidate.macs == 3 * rank * (40 + 24) < data.layer.macs
        model = replaced(found, data, name, rank)
        stored = sum(math.prod(t.dims) for t in model.graph.initializer if t.name != "shape")
        assert stored == candidate.parameters
        assert stored_bytes(candidate.convolutions) == 4 * candidate.parameters


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("images", [6, 200])
def test_held_out_error_never_grows_with_rank(name: str, images: int) -> None:
    errors = [
        candidate.relative_error
        for candidate in METHODS[name].candidates(samples_of(read(dense(30, 20)), images))
    ]
    assert all(late <= early + 1e-9 for early, late in itertools.pairwise(errors))
    assert errors[0] > errors[-1] + 0.1


@pytest.mark.parametrize("name", METHODS)
def test_error_told_is_the_error_met_on_other_images(name: str) -> None:
    found = read(dense(10, 16))
    data = samples_of(found, 600)
    fresh = images_for(found, 600, seed=1)
    for candidate in METHODS[name].candidates(data):
        replacement = METHODS[name].fit(data, candidate)
        met = relative_error(found, with_replacement(found.model, data.layer, replacement), fresh)
        assert met == pytest.approx(candidate.relative_error, rel=0.2)
        assert met == pytest.approx(replacement.relative_error, rel=0.2)


def test_fewer_samples_than_outputs_leave_the_weights_to_go_by() -> None:
    found = read(dense(30, 20))
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
    found = read(dense(30, 20))
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
    data = on_a_changed_input(read(dense(20, 8)), images)
    method = FullyConnected()
    replacement = method.fit(data, method.candidate(data.layer, (8,), 0.0))
    assert replacement.solver == solver
    assert least <= replacement.relative_error <= most


def test_long_inputs_are_judged_by_their_responses_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(dense(30, 10))
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
