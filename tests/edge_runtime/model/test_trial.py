"""Networks of a single convolution: both engines run the convolution that the shape names."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
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


@pytest.mark.parametrize("group", [1, 16])
def test_in_int8_it_is_nothing_but_a_convolution_of_int8(group: int, tmp_path: Path) -> None:
    trial = Trial(16, 32 if group == 1 else 16, (3, 3), (20, 12), group=group, precision="int8")
    onnx.checker.check_model(onnx.load_from_string(trial.onnx()), full_check=True)
    found = trial_network(trial, 1, "onnxruntime").run(np.zeros((1, 20, 12, 16), np.float32))[0]
    assert found.shape == trial.output.shape
    assert run_by_onnxruntime(trial, tmp_path) == [
        "QuantizeLinear",
        "QLinearConv",
        "NhwcMaxPool",
        "Transpose",  # of one value for each channel
        "DequantizeLinear",
    ]


def test_what_stands_around_a_convolution_of_int8_is_its_input_made_int8(tmp_path: Path) -> None:
    trial = Trial(5, 5, (0, 0), (4, 3), precision="int8")
    onnx.checker.check_model(onnx.load_from_string(trial.onnx()), full_check=True)
    found = trial_network(trial, 1, "onnxruntime").run(np.full((1, 4, 3, 5), 0.52, np.float32))[0]
    np.testing.assert_allclose(found, np.full((1, 5, 1, 1), 0.5), rtol=1e-6)
    kinds = run_by_onnxruntime(trial, tmp_path)
    assert kinds == ["QuantizeLinear", "Slice", "Transpose", "DequantizeLinear"]


def run_by_onnxruntime(trial: Trial, folder: Path) -> list[str]:
    """The operators that onnxruntime makes of a trial."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(trial.onnx(), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node]


@pytest.mark.parametrize("engine", ["onnxruntime", "ncnn"])
def test_without_a_convolution_it_gives_the_largest_value_of_each_channel(engine: str) -> None:
    trial = Trial(5, 5, (0, 0), (4, 3))
    tensor = np.random.default_rng(0).random(trial.input.shape, np.float32)
    found = trial_network(trial, 1, engine).run(tensor)[0]
    np.testing.assert_array_equal(found[0, :, 0, 0], tensor[0].max(axis=(1, 2)))
