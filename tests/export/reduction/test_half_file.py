"""Networks for ncnn in float16, from file to file and by the command."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.inference import Model
from edge_runtime.model.engines import ncnn
from edge_runtime.model.engines.onnxruntime import open_network
from edge_runtime.model.golden import golden_error, golden_frame
from edge_runtime.model.preprocess import Preprocessor
from tests.attacks.command_line import assert_one_line, run_here
from tests.attacks.images import labelled_images
from tests.attacks.networks import CLASSES, write_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_network(tmp_path / "model.onnx")
    labelled_images(tmp_path / "images", CLASSES, 6)
    return tmp_path


def in_half(model: Path, images: Path, output: Path) -> str:
    outcome = run_here(
        *("convert", model, "--precision", "float16", "--images", images, "-o", output),
    )
    assert (outcome.code, outcome.err) == (0, ""), outcome.err
    return outcome.out


def test_both_engines_run_it_and_ncnn_may_compute_in_half(folder: Path) -> None:
    told = in_half(folder / "model.onnx", folder / "images", folder / "out.onnx")
    assert "rounded to float16 between its layers" in told
    assert "agreement" in told
    network = ncnn.open_network(folder / "out.onnx", 1)
    assert (network.form.precision, network.closeness) == ("float16", 0.1)
    card = Model.open(folder / "out.onnx").card
    assert golden_error(network, card) <= network.closeness
    assert golden_error(open_network(folder / "out.onnx", 1), card) == 0
    provenance = card.provenance or {}
    assert (provenance["precision"], provenance["source"]) == ("float16", "model.onnx")
    assert ncnn.open_network(plain(folder), 1).closeness == 1e-3


def plain(folder: Path) -> Path:
    outcome = run_here("convert", folder / "model.onnx", "-o", folder / "plain.onnx")
    assert (outcome.code, outcome.err) == (0, "")
    return folder / "plain.onnx"


def test_it_may_take_the_place_of_its_source(folder: Path) -> None:
    before = open_network(folder / "model.onnx", 1)
    outcome = run_here(
        *("convert", folder / "model.onnx", "--precision", "float16", "--images", folder / "images")
    )
    assert (outcome.code, outcome.err) == (0, "")
    after = ncnn.open_network(folder / "model.onnx", 1)
    assert after.form.precision == "float16"
    assert before.input.shape[1:] == after.input.shape[1:]


def test_a_reduction_is_delivered_in_float16(folder: Path) -> None:
    outcome = run_here(
        *("reduce", folder / "model.onnx", "--images", folder / "images", "-o", folder / "out.onnx"),
        *("--engine", "ncnn", "--precision", "float16", "--speedup", "1.3", "--max-drop", "90"),
    )
    assert (outcome.code, outcome.err) == (0, ""), outcome.err
    assert ncnn.open_network(folder / "out.onnx", 1).form.precision == "float16"
    assert (Model.open(folder / "out.onnx").card.provenance or {})["precision"] == "float16"


def test_float16_is_for_ncnn_alone(folder: Path) -> None:
    for command in (
        ("profile", folder / "model.onnx", "-o", folder / "t.json"),
        ("reduce", folder / "model.onnx", "--images", folder / "images", "-o", folder / "out.onnx"),
    ):
        outcome = run_here(*command, "--precision", "float16")
        assert_one_line(outcome, 2)
        assert "float16 runs under ncnn, not under onnxruntime: give --engine ncnn" in outcome.err


def test_layers_are_timed_in_float16(folder: Path) -> None:
    outcome = run_here(
        *("profile", folder / "model.onnx", "-o", folder / "t.json", "--engine", "ncnn", "--threads", "1"),
        *("--precision", "float16", "--methods", "channel"),
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert "convolutions in float16 under ncnn" in outcome.out


def test_float16_and_images_go_together(folder: Path) -> None:
    for options in (("--precision", "float16"), ("--images", folder / "images")):
        assert_one_line(run_here("convert", folder / "model.onnx", *options), 2)


def test_a_precision_that_there_is_not_is_refused(folder: Path) -> None:
    in_half(folder / "model.onnx", folder / "images", folder / "out.onnx")
    content = (folder / "out.onnx").read_bytes()
    (folder / "bad.onnx").write_bytes(content.replace(b'"precision":"float16"', b'"precision":"float99"'))
    outcome = run_here("evaluate", folder / "bad.onnx", "--images", folder / "images")
    assert outcome.code == 0  # onnxruntime does not care
    with pytest.raises(Exception, match="cannot be read"):
        ncnn.open_network(folder / "bad.onnx", 1)


@pytest.mark.assets
def test_a_network_that_overflows_is_scaled_and_answers_as_before(
    assets: Path, asset_model: Callable[[str], Path], tmp_path: Path
) -> None:
    """vgg19's last pool adds up to more than float16 holds, and ncnn answered NaN on a Pi 5's core."""
    model = asset_model("vgg19_caltech101")
    images = tmp_path / "images"
    images.mkdir()
    for number, path in enumerate(sorted((assets / "images/caltech101/calibration").glob("*/*.jpg"))[::60]):
        (images / f"{number}.jpg").symlink_to(path)
    in_half(model, images, tmp_path / "out.onnx")
    before, after = open_network(model, 1), open_network(tmp_path / "out.onnx", 1)
    preprocess = Preprocessor(Model.open(tmp_path / "out.onnx").card.input)
    tensor = preprocess(golden_frame(0, (160, 160)))
    np.testing.assert_allclose(after.run(tensor)[0], before.run(tensor)[0], rtol=1e-4, atol=1e-4)
