"""Inspecting a network from Python: what the command tells, as values."""

import json
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError
from export.network.inspection import inspect
from tests.attacks.command_line import run_here
from tests.attacks.networks import network, save


@pytest.fixture
def free(tmp_path: Path) -> Path:
    """A network of free size, its card inside."""
    save(network(size="side"), tmp_path / "free.onnx")
    return tmp_path / "free.onnx"


def test_layers_and_costs(free: Path) -> None:
    inspection = inspect(free)
    assert (inspection.model, inspection.input_size) == (free, (16, 16))
    assert [layer.name for layer in inspection.layers] == ["first", "second", "classifier"]
    assert inspection.layers == inspection.reducible
    assert inspection.macs == 16 * 16 * (8 * 27 + 16 * 72) + 4 * 16
    assert inspection.parameters == 8 * 28 + 16 * 73 + 4 * 17
    assert sum(inspection.share(layer) for layer in inspection.layers) == pytest.approx(1)


def test_size_is_the_one_given_then_the_cards(free: Path) -> None:
    card = free.with_name("card.json")
    card.write_text('{"input": {"size": [10, 12]}}')
    assert inspect(free, card=card).input_size == (10, 12)
    assert inspect(free, (40, 24), card).input_size == (40, 24)
    assert inspect(free, (40, 24)).macs > inspect(free).macs


def test_paths_may_be_texts(free: Path) -> None:
    assert inspect(str(free)) == inspect(free)
    with pytest.raises(InputError, match="no-card"):
        inspect(str(free), card=str(free.with_name("no-card.json")))


def test_the_command_tells_what_the_function_returns(free: Path, tmp_path: Path) -> None:
    run_here("inspect", free, "--input-size", "40x24", "--json", tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == inspect(free, (40, 24)).to_document()
