"""Nodes of one name, which onnxruntime refuses: told apart where a file is read, and a remedy elsewhere."""

from pathlib import Path

import onnx
import pytest

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.engines.onnxruntime import open_network
from export.network.card import write_card
from export.network.node_names import make_names_differ
from export.network.source import read_source
from tests.attacks.networks import network, save


def named(*names: str) -> onnx.ModelProto:
    model = network()
    for node, name in zip(model.graph.node, names, strict=False):
        node.name = name
    return model


def test_each_gets_a_name_that_no_other_has() -> None:
    model = named("same", "same", "same_2", "", "same", "")
    expected = network()
    for node, name in zip(expected.graph.node, ("same", "same_3", "same_2", "", "same_4", ""), strict=False):
        node.name = name
    make_names_differ(model)
    assert [node.name for node in model.graph.node] == [node.name for node in expected.graph.node]


def test_names_that_differ_stay() -> None:
    model = network()
    make_names_differ(model)
    assert model == network()


def test_the_runtime_names_the_command_that_helps(tmp_path: Path) -> None:
    path, whole = tmp_path / "model.onnx", tmp_path / "whole.onnx"
    save(named("same", "same"), path)
    with pytest.raises(ModelRefusedError, match=r"-o OUT\.onnx' gives each a name of its own$"):
        open_network(path, 1)
    write_card(read_source(path), whole)
    assert list(open_network(whole, 1).output_names) == [value.name for value in network().graph.output]
