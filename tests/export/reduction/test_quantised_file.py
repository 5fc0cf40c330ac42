"""Networks in int8 from file to file: what is written, what it loses, and what is refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from edge_runtime.base.errors import InputError, ModelRefusedError, TargetUnmetError
from edge_runtime.inference import Model
from edge_runtime.model.card import METADATA_KEY, ModelCard
from edge_runtime.model.golden import golden_error
from export.judge.evaluate import evaluate
from export.reduction.file import reduce
from export.reduction.quantised_file import quantise
from tests.attacks.command_line import assert_one_line, run_here
from tests.attacks.images import good_images, labelled_images
from tests.attacks.networks import CLASSES, network, save, write_network

SIZES = {"gtsrb_cnn": "gtsrb", "facemask_ssd": "facemask"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_network(tmp_path / "model.onnx")
    labelled_images(tmp_path / "images", CLASSES, 12)
    return tmp_path


def weights_in_int8(path: Path) -> set[str]:
    weights = (tensor for tensor in onnx.load(path).graph.initializer if tensor.name.endswith("_quantized"))
    return {tensor.name for tensor in weights if tensor.data_type == onnx.TensorProto.INT8}


def card_in(path: Path) -> ModelCard:
    return Model.open(path).card


def test_it_is_written_with_its_card_and_runs(folder: Path) -> None:
    delivery = quantise(folder / "model.onnx", folder / "images", folder / "out.onnx")
    assert delivery.path == folder / "out.onnx"
    assert len(weights_in_int8(folder / "out.onnx")) == 3 - len(delivery.quantised.in_float)
    model = Model.open(folder / "out.onnx")
    assert golden_error(model.network, model.card) == 0
    assert model.card == delivery.card
    assert model.card.golden is not None
    assert model.card.golden.tolerance > 0.01  # other processors round some values to the next level
    provenance = model.card.provenance or {}
    assert (provenance["source"], provenance["precision"]) == ("model.onnx", "int8")
    assert provenance["int8"]["layers"] == 3
    assert delivery.agreement.percent > 85
    assert delivery.bytes_after == (folder / "out.onnx").stat().st_size


def test_the_same_seed_gives_the_same_bytes(folder: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        quantise(folder / "model.onnx", folder / "images", folder / name)
    assert (folder / "a.onnx").read_bytes() == (folder / "b.onnx").read_bytes()


def test_a_reduction_is_judged_and_written_in_int8(folder: Path) -> None:
    delivery = reduce(
        folder / "model.onnx",
        folder / "images",
        folder / "out.onnx",
        speedup=1.3,
        max_drop_percent=90,
        precision="int8",
    )
    assert delivery.reduction.rounded.int8 is not None
    assert weights_in_int8(folder / "out.onnx")
    scores = evaluate([folder / "model.onnx", folder / "out.onnx"], folder / "images").scores
    assert scores[1].agreement.percent == pytest.approx(delivery.reduction.agreement_percent, abs=25)
    assert (delivery.card.provenance or {})["precision"] == "int8"


def test_what_was_reduced_keeps_how_it_came_about(folder: Path) -> None:
    reduce(folder / "model.onnx", folder / "images", folder / "small.onnx", speedup=1.3, max_drop_percent=90)
    delivery = quantise(folder / "small.onnx", folder / "images", folder / "out.onnx", max_drop_percent=90)
    provenance = delivery.card.provenance or {}
    assert provenance["source_provenance"]["speedup"] == 1.3


def test_what_loses_too_much_is_not_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off = {"bad": lambda tensor: (tensor.lowest / 1000, tensor.highest / 1000)}
    monkeypatch.setattr("export.precision.quantiser.RULES", cut_off)
    monkeypatch.setattr("export.precision.in_float.MOST_WORK", 0.0)
    with pytest.raises(TargetUnmetError, match=r"loses .* points of agreement, more than 1"):
        quantise(folder / "model.onnx", folder / "images", folder / "out.onnx", max_drop_percent=1)
    assert not (folder / "out.onnx").exists()


def test_a_network_in_int8_is_refused_at_once(folder: Path) -> None:
    quantise(folder / "model.onnx", folder / "images", folder / "out.onnx")
    for again in (quantise, lambda *paths: reduce(*paths, precision="int8")):
        with pytest.raises(ModelRefusedError, match="in int8 already"):
            again(folder / "out.onnx", folder / "images", folder / "again.onnx")


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    write_network(tmp_path / "model.onnx")
    good_images(tmp_path / "images", count=8)
    with pytest.raises(InputError, match="too few to know the ranges"):
        quantise(tmp_path / "model.onnx", tmp_path / "images", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_a_network_without_weights_of_float32_is_refused(folder: Path) -> None:
    model = network()
    for tensor in model.graph.initializer:
        double = numpy_helper.to_array(tensor).astype("float64")
        tensor.CopyFrom(numpy_helper.from_array(double, tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    save(model, folder / "double.onnx")
    with pytest.raises((ModelRefusedError, InputError)):
        quantise(folder / "double.onnx", folder / "images", folder / "out.onnx")


def test_int8_is_not_for_ncnn(folder: Path) -> None:
    with pytest.raises(InputError, match="int8 runs under onnxruntime, not under ncnn"):
        reduce(folder / "model.onnx", folder / "images", engine="ncnn", precision="int8")


def test_the_commands(folder: Path) -> None:
    outcome = run_here(
        *("quantise", folder / "model.onnx", "--images", folder / "images", "-o", folder / "out.onnx"),
        *("--json", folder / "out.json"),
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert re.search(r"out.onnx: int8 in (all|\d of) 3 layers", outcome.out)
    assert "agreement" in outcome.out
    document = json.loads((folder / "out.json").read_text())
    assert (document["precision"], document["int8"]["layers"]) == ("int8", 3)
    assert document["bytes_after"] < document["bytes_before"] * 4
    outcome = run_here(
        *("reduce", folder / "model.onnx", "--images", folder / "images", "-o", folder / "small.onnx"),
        *("--precision", "int8", "--speedup", "1.3", "--max-drop", "90", "--json", folder / "small.json"),
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert "\nint8 in " in outcome.out
    document = json.loads((folder / "small.json").read_text())
    assert (document["precision"], document["int8"]["images"]) == ("int8", document["images"])


def test_a_bad_option_is_one_line(folder: Path) -> None:
    outcome = run_here(
        *("quantise", folder / "model.onnx", "--images", folder / "none", "-o", folder / "out.onnx")
    )
    assert_one_line(outcome, 2)


@pytest.mark.assets
@pytest.mark.parametrize(("name", "images"), SIZES.items())
def test_trained_networks_lose_next_to_nothing_and_are_a_quarter_of_the_size(
    name: str, images: str, assets: Path, asset_model: Callable[[str], Path], tmp_path: Path
) -> None:
    model, pictures = asset_model(name), assets / "images" / images
    delivery = quantise(model, pictures / "calibration", tmp_path / "out.onnx", max_images=30)
    assert delivery.bytes_after < 0.3 * delivery.bytes_before
    assert METADATA_KEY in {entry.key for entry in onnx.load(tmp_path / "out.onnx").metadata_props}
    assert delivery.agreement.percent > 95
