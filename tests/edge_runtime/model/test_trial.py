"""Networks of a single convolution: both engines run the convolution that the shape names."""

import numpy as np
import onnx
import pytest
from hypothesis import given, strategies as st

from edge_runtime.model.engines.select import trial_network
from edge_runtime.model.trial import Trial

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def trials(draw: st.DrawFn) -> Trial:
    group = draw(st.sampled_from((1, 1, 2)))
    inputs, outputs = (group * draw(st.integers(1, 9)) for _ in range(2))
    size = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    return Trial(inputs, outputs, draw(pairs), size, draw(pairs), draw(pairs), group)


@given(trials())
def test_it_is_a_sound_onnx_network_of_the_size_asked_for(trial: Trial) -> None:
    model = onnx.load_from_string(trial.onnx())
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    sizes = {
        value.name: tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        for value in inferred.graph.value_info
    }
    assert sizes["response"] == (1, trial.out_channels, *trial.output_size)


@given(trials())
def test_both_engines_run_the_same_convolution(trial: Trial) -> None:
    tensor = np.random.default_rng(0).random(trial.input.shape, np.float32)
    own, other = (trial_network(trial, 1, engine).run(tensor)[0] for engine in ("onnxruntime", "ncnn"))
    assert own.shape == other.shape == trial.output.shape
    np.testing.assert_allclose(other, own, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("engine", ["onnxruntime", "ncnn"])
def test_without_a_convolution_it_gives_the_largest_value_of_each_channel(engine: str) -> None:
    trial = Trial(5, 5, (0, 0), (4, 3))
    tensor = np.random.default_rng(0).random(trial.input.shape, np.float32)
    found = trial_network(trial, 1, engine).run(tensor)[0]
    np.testing.assert_array_equal(found[0, :, 0, 0], tensor[0].max(axis=(1, 2)))
