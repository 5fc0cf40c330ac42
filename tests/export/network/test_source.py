"""A file is read once: what it was then is what everything works on."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.model.engines.onnxruntime import open_network
from export.network.card import write_card
from export.network.layers import read_network
from export.network.load import load_model
from export.network.source import SourceModel, read_source
from tests.attacks.networks import network, save, write_network
from tests.export.small_networks import random_images


@pytest.fixture
def source(tmp_path: Path) -> SourceModel:
    write_network(tmp_path / "model.onnx")
    return read_source(tmp_path / "model.onnx")


def test_sha256_is_of_the_bytes_that_were_read(tmp_path: Path) -> None:
    write_network(tmp_path / "model.onnx")
    first = (tmp_path / "model.onnx").read_bytes()
    source = read_source(tmp_path / "model.onnx")
    write_network(tmp_path / "model.onnx", seed=1)
    assert source.sha256 == hashlib.sha256(first).hexdigest()
    assert source.proto == onnx.load_model_from_string(first)


def test_the_file_is_not_needed_any_more(source: SourceModel, tmp_path: Path) -> None:
    tensor = random_images(1, (3, 16, 16))[0]
    expected = open_network(source.path, 1).run(tensor)
    source.path.unlink()
    assert source.network(1).run(tensor)[0].tolist() == expected[0].tolist()
    assert [layer.name for layer in read_network(source).layers] == ["first", "second", "classifier"]
    assert source.require_card().input.size == (16, 16)
    write_card(source, tmp_path / "written.onnx")
    assert open_network(tmp_path / "written.onnx", 1).run(tensor)[0].tolist() == expected[0].tolist()


def weights_as_nodes() -> onnx.ModelProto:
    model = network()
    first = model.graph.initializer.pop(0)
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], [first.name], value=first))
    return model


@pytest.mark.parametrize("make", [network, weights_as_nodes])
def test_loading_leaves_the_source_as_it_was(make: Callable[[], onnx.ModelProto], tmp_path: Path) -> None:
    save(make(), tmp_path / "model.onnx")
    source = read_source(tmp_path / "model.onnx")
    assert {tensor.name for tensor in load_model(source).graph.initializer} >= {"w1", "b1"}
    assert source.proto == make()
    assert load_model(source) == load_model(source)


def test_card_from_inside_beside_or_given(source: SourceModel, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"input": {"size": [9, 9]}, "task": "raw"}')
    (tmp_path / "given.json").write_text('{"input": {"size": [7, 8]}}')
    assert source.require_card().task == "classify"
    assert source.require_card(tmp_path / "given.json").input.size == (7, 8)
    assert source.find_card(tmp_path / "given.json") == source.require_card(tmp_path / "given.json")
    with pytest.raises(InputError):
        source.find_card(tmp_path / "none.json")


def test_no_card_at_all(tmp_path: Path) -> None:
    model = network()
    del model.metadata_props[:]
    save(model, tmp_path / "model.onnx")
    source = read_source(tmp_path / "model.onnx")
    assert source.find_card() is None
    with pytest.raises(InputError, match="no model card"):
        source.require_card()
    (tmp_path / "model.json").write_text('{"input": {"size": [9, 9]}}')
    beside = source.find_card()
    assert beside is not None
    assert beside.input.size == (9, 9)
