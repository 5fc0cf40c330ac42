"""Of the files that a network names nothing is read but what lies beside it, and only on the workstation."""

import resource
from pathlib import Path

import pytest

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.engines.onnxruntime import open_network
from tests.attacks.command_line import assert_one_line, run_here
from tests.attacks.data_files import DATA_FILE_ATTACKS
from tests.attacks.images import good_images
from tests.attacks.models import LOADERS

ATTACKS = {attack.make.__name__: attack for attack in DATA_FILE_ATTACKS}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "hostile.onnx"


@pytest.mark.parametrize("command", LOADERS)
@pytest.mark.parametrize("name", ATTACKS)
def test_the_workstation_reads_no_such_file(name: str, command: str, model: Path, tmp_path: Path) -> None:
    attack = ATTACKS[name]
    attack.make(model)
    before = sorted(model.parent.iterdir())
    arguments: list[str | Path] = [command, model]
    if command in ("reduce", "evaluate"):
        good_images(tmp_path / "images", count=6)
        arguments += ["--images", tmp_path / "images"]
    if command in ("reduce", "card"):
        arguments += ["-o", model.parent / "out.onnx"]
    assert_one_line(run_here(*arguments), attack.code, attack.says)
    assert sorted(model.parent.iterdir()) == before


@pytest.mark.parametrize("name", ATTACKS)
def test_the_pi_reads_no_other_file(name: str, model: Path) -> None:
    ATTACKS[name].make(model)
    with pytest.raises(ModelRefusedError, match="keeps weights in another file: 'pi-export card"):
        open_network(model)


@pytest.mark.parametrize("name", ["huge", "huge_beside_its_weight", "one_place_for_many"])
def test_nothing_of_what_is_too_large_is_read(name: str, model: Path) -> None:
    ATTACKS[name].make(model)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_one_line(run_here("inspect", model), 3, "2 GiB")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 256 << 10
