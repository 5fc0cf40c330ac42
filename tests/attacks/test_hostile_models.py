"""Every hostile model file ends every command with one line and the right code, and leaves nothing behind."""

from pathlib import Path

import pytest

from tests.attacks.command_line import assert_one_line, run_apart, run_here
from tests.attacks.images import good_images
from tests.attacks.models import LOADERS, MODEL_ATTACKS, ModelAttack, output_beyond_memory
from tests.attacks.networks import network, save, write_network

CASES = [(attack, command) for attack in MODEL_ATTACKS for command in attack.codes]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "hostile.onnx"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    good_images(tmp_path / "images")
    return tmp_path / "images"


def arguments(command: str, model: Path, images: Path) -> list[str | Path]:
    output = model.parent / "out.onnx"
    return {
        "inspect": ["inspect", model],
        "reduce": ["reduce", model, "--images", images, "-o", output, "--speedup", "1.5"],
        "evaluate": ["evaluate", model, "--images", images],
        "card": ["card", model, "-o", output],
    }[command]


@pytest.mark.parametrize(("attack", "command"), CASES, ids=[f"{a.make.__name__}-{c}" for a, c in CASES])
def test_hostile_model(attack: ModelAttack, command: str, model: Path, images: Path) -> None:
    attack.make(model)
    before = sorted(model.parent.iterdir())
    outcome = run_here(*arguments(command, model, images))
    if attack.codes[command] == 0:
        assert (outcome.code, outcome.err) == (0, "")
    else:
        assert_one_line(outcome, attack.codes[command], attack.says)
    assert sorted(model.parent.iterdir()) == before


@pytest.mark.parametrize("command", LOADERS)
def test_harmless_model_passes_every_command(command: str, model: Path, images: Path) -> None:
    write_network(model)
    outcome = run_here(*arguments(command, model, images))
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize("command", LOADERS)
def test_a_few_bytes_cannot_take_all_memory(command: str, model: Path, images: Path) -> None:
    output_beyond_memory(model)
    outcome = run_apart(*arguments(command, model, images))
    assert_one_line(outcome, 3)


def test_names_from_the_file_cannot_steer_the_terminal(model: Path) -> None:
    hostile = network()
    hostile.graph.node[0].name = "\x1b[2J[bold red]first\r\n[/nothing]"
    save(hostile, model)
    outcome = run_here("inspect", model)
    assert outcome.code == 0
    assert "\x1b" not in outcome.out
    assert "?[2J[bold red]first??[/nothing]" in outcome.out


@pytest.mark.parametrize("command", LOADERS)
def test_debug_shows_the_traceback(command: str, model: Path, images: Path) -> None:
    outcome = run_apart("--debug", *arguments(command, model, images))
    assert outcome.code != 0
    assert "Traceback" in outcome.err
