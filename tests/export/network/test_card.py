import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import METADATA_KEY
from edge_runtime.model.engines.onnxruntime import open_network
from edge_runtime.model.golden import golden_error
from export.network.card import write_card
from export.network.source import read_source
from tests.attacks.command_line import assert_one_line, run_here
from tests.attacks.networks import SIZE, network, save, write_network

NAMES = [
    "facemask_ssd", "gtsrb_cnn", "resnet18_imagenette", "squeezenet_imagenet", "vgg19_caltech101",
    "yolov5n_coco",
]  # fmt: skip


def write_json(path: Path, **fields: object) -> Path:
    card = {"input": {"size": [SIZE, SIZE]}, **fields}
    path.write_text(json.dumps(card))
    return path


def without_card(model: onnx.ModelProto) -> bytes:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del copy.metadata_props[:]
    copy.metadata_props.extend(kept)
    return bytes(copy.SerializeToString(deterministic=True))


@pytest.mark.parametrize("name", NAMES)
def test_sidecar_moves_into_the_network(
    name: str, asset_model: Callable[[str], Path], tmp_path: Path
) -> None:
    source = asset_model(name)
    target = tmp_path / "carried" / "model.onnx"
    target.parent.mkdir()
    outcome = run_here("card", source, "--input", source.with_suffix(".json"), "-o", target)
    assert (outcome.code, outcome.err) == (0, "")
    loaded = open_network(target, threads=1)
    card = loaded.card()  # nothing lies beside it: this is the one inside
    given = json.loads(source.with_suffix(".json").read_text())
    assert list(card.input.size) == given["input"]["size"]
    assert card.task == given["task"]
    assert golden_error(loaded, card) < 1e-5
    assert without_card(onnx.load(target)) == without_card(onnx.load(source))


def test_in_place_keeps_other_metadata_and_replaces_the_old_card(tmp_path: Path) -> None:
    model = network()
    model.metadata_props.add(key="author", value="somebody")
    save(model, tmp_path / "m.onnx")
    card = write_json(tmp_path / "card.json", labels=["a", "b", "c", "d"])
    write_card(read_source(tmp_path / "m.onnx"), tmp_path / "m.onnx", card)
    write_card(read_source(tmp_path / "m.onnx"), tmp_path / "m.onnx", card)
    result = onnx.load(tmp_path / "m.onnx")
    assert sorted(entry.key for entry in result.metadata_props) == ["author", METADATA_KEY]
    assert without_card(result) == without_card(model)
    assert open_network(tmp_path / "m.onnx").card().label(2) == "c"


def test_same_card_same_bytes(tmp_path: Path) -> None:
    write_network(tmp_path / "m.onnx")
    for name in ("one.onnx", "two.onnx"):
        write_card(read_source(tmp_path / "m.onnx"), tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_network_without_card(tmp_path: Path) -> None:
    model = network()
    del model.metadata_props[:]
    save(model, tmp_path / "m.onnx")
    assert read_source(tmp_path / "m.onnx").find_card() is None
    with pytest.raises(InputError, match="no model card"):
        write_card(read_source(tmp_path / "m.onnx"), tmp_path / "m.onnx")
    write_json(tmp_path / "m.json", task="raw")
    found = read_source(tmp_path / "m.onnx").find_card()
    assert found is not None
    assert found.task == "raw"


def test_show_writes_nothing(tmp_path: Path) -> None:
    write_network(tmp_path / "m.onnx")
    before = (tmp_path / "m.onnx").read_bytes()
    outcome = run_here("card", tmp_path / "m.onnx", "--show")
    assert outcome.code == 0
    assert f"{SIZE}x{SIZE} RGB, warp" in outcome.out
    assert "golden output   none" in outcome.out
    assert (tmp_path / "m.onnx").read_bytes() == before


def test_show_excludes_writing(tmp_path: Path) -> None:
    write_network(tmp_path / "m.onnx")
    card = write_json(tmp_path / "card.json")
    assert_one_line(run_here("card", tmp_path / "m.onnx", "--show", "--input", card), 2, "--show")
    assert_one_line(run_here("card", tmp_path / "m.onnx", "--show", "-o", tmp_path / "o.onnx"), 2, "--show")


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"size": [32, 32]}, "input.size"), ({"size": [16, 16], "colour": "GRAY"}, "input.colour")],
)
def test_card_that_does_not_fit_the_network(fields: dict[str, object], says: str, tmp_path: Path) -> None:
    write_network(tmp_path / "m.onnx")
    card = write_json(tmp_path / "card.json", input=fields)
    assert_one_line(run_here("card", tmp_path / "m.onnx", "--input", card), 2, says)
