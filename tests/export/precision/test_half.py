"""Networks for float16: values that it cannot hold are scaled or refused; and what rounding does."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.card import METADATA_KEY
from export.calibrate.calibration_set import calibration_of
from export.calibrate.inputs import KeptInputs
from export.network.layers import ReducibleNetwork, network_of, read_network
from export.network.source import read_source
from export.precision.half import ALLOWED, WANTED, fitted_for_half, rounded_to_half
from export.precision.output_error import responses_on
from tests.attacks.networks import network, save
from tests.export.small_networks import outputs, random_images, residual


def read(model: onnx.ModelProto, folder: Path) -> ReducibleNetwork:
    save(model, folder / "model.onnx")
    return read_network(read_source(folder / "model.onnx"), (16, 16), "NCHW")


def inputs(folder: Path, scale: float = 1.0) -> KeptInputs:
    return calibration_of([scale * image for image in random_images(5, [3, 16, 16])], folder).fit


def loud(factor: float) -> onnx.ModelProto:
    """The network of the attacks with larger values in the middle and the same scores."""
    model = network()
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in ("w1", "b1"):
            tensor.CopyFrom(numpy_helper.from_array(values * np.float32(factor), tensor.name))
        if tensor.name == "b2":
            tensor.CopyFrom(numpy_helper.from_array(values * np.float32(factor), tensor.name))
        if tensor.name == "w3":
            tensor.CopyFrom(numpy_helper.from_array(values / np.float32(factor), tensor.name))
    return model


def test_values_are_made_to_fit_and_the_outputs_stay(tmp_path: Path) -> None:
    found = read(loud(2.0**17), tmp_path)
    kept = inputs(tmp_path)
    fitted = fitted_for_half(found, kept, threads=1)
    images = list(kept)
    for expected, own in zip(outputs(found.model, images), outputs(fitted, images), strict=True):
        np.testing.assert_array_equal(own, expected)
    names = ["c1", "c2", "p"]
    assert max(np.abs(values).max() for values in responses_on(found.model, names, images, 1)) > 65504
    assert max(np.abs(values).max() for values in responses_on(fitted, names, images, 1)) <= WANTED


def test_what_a_pool_adds_up_counts(tmp_path: Path) -> None:
    """Its mean is small, the sum of 256 values that it divides is not."""
    found = read(loud(2.0**9), tmp_path)
    kept = inputs(tmp_path)
    (means,) = responses_on(found.model, ["p"], kept, 1)
    assert means.max() < 65504 < 256 * means.max()
    (fitted,) = responses_on(fitted_for_half(found, kept, threads=1), ["p"], kept, 1)
    assert 256 * fitted.max() <= WANTED


def test_what_cannot_be_scaled_is_refused(tmp_path: Path) -> None:
    model = loud(2.0**17)
    model.graph.node[3].op_type = "Abs"  # not among those that are known to be homogeneous
    found = read(model, tmp_path)
    with pytest.raises(ModelRefusedError, match="float16 holds at most 65504, and the network reaches"):
        fitted_for_half(found, inputs(tmp_path), threads=1)


def test_a_network_of_small_values_stays_as_it_is(tmp_path: Path) -> None:
    found = network_of(residual(), (8, 8), "NCHW")
    kept = calibration_of(random_images(5, [4, 8, 8]), tmp_path).fit
    fitted = fitted_for_half(found, kept, threads=1)
    assert fitted.SerializeToString() == found.model.SerializeToString()
    assert ALLOWED < 65504


def test_weights_and_values_are_rounded_to_eleven_bits(tmp_path: Path) -> None:
    found = read(network(), tmp_path)
    rounded = rounded_to_half(found, found.model)
    onnx.checker.check_model(rounded, full_check=True)
    for tensor in rounded.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            np.testing.assert_array_equal(values, values.astype(np.float16).astype(np.float32))
    images = list(inputs(tmp_path))
    (inner,) = responses_on(rounded, ["c2"], images, 1)
    np.testing.assert_array_equal(inner, inner.astype(np.float16).astype(np.float32))
    for expected, own in zip(outputs(found.model, images), outputs(rounded, images), strict=True):
        difference = np.abs(own - expected).max() / np.abs(expected).max()
        assert 0 < difference < 2.0**-9


def test_tensors_that_are_no_floats_are_not_rounded(tmp_path: Path) -> None:
    model = network()
    model.graph.node[5].CopyFrom(helper.make_node("Reshape", ["p", "lengths"], ["f"]))
    model.graph.node.insert(5, helper.make_node("Shape", ["f0"], ["lengths"]))
    model.graph.node.insert(5, helper.make_node("Flatten", ["p"], ["f0"]))
    found = read(model, tmp_path)
    images = list(inputs(tmp_path))
    rounded = outputs(rounded_to_half(found, found.model), images)
    for expected, own in zip(outputs(found.model, images), rounded, strict=True):
        np.testing.assert_allclose(own, expected, rtol=0.01, atol=0.01)


def test_the_card_stays(tmp_path: Path) -> None:
    found = read(loud(2.0**17), tmp_path)
    fitted = fitted_for_half(found, inputs(tmp_path), threads=1)
    assert METADATA_KEY in {entry.key for entry in fitted.metadata_props}
