"""What cannot be fed or compared ends every command of both programs in one line, with cause and remedy."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.command_line import TIMEOUT_S, assert_one_line, run_here
from tests.attacks.images import good_images
from tests.attacks.unsupported_forms import COMMANDS, ON_THE_PI, UNSUPPORTED_FORMS, UnsupportedForm

FORMS = {form.make.__name__: form for form in UNSUPPORTED_FORMS}
CASES = [(name, command) for name in FORMS for command in COMMANDS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    good_images(tmp_path / "images", count=12)
    return tmp_path


def arguments(command: str, folder: Path) -> list[str | Path]:
    model, images, output = folder / "model.onnx", folder / "images", folder / "out.onnx"
    return {
        "inspect": ["inspect", model],
        "reduce": [
            "reduce",
            model,
            "--images",
            images,
            "-o",
            output,
            "--speedup",
            "1.2",
            "--max-drop",
            "100",
        ],
        "evaluate": ["evaluate", model, "--images", images],
        "card": ["card", model, "-o", output],
        "live": ["--source", images, "--model", model, "--frames", "2", "--plain"],
        "bench": ["bench", model, "--seconds", "0.01", "--rounds", "1"],
        "doctor": ["doctor", "--model", model, "--json", folder / "doctor.json"],
    }[command]


def pi_infer(*options: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "edge_runtime.cli", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def on_the_workstation(form: UnsupportedForm, command: str, folder: Path) -> None:
    outcome = run_here(*arguments(command, folder))
    if command in form.accepts:
        assert outcome.code == 0, outcome.err
        return
    assert_one_line(outcome, form.code)
    assert all(words in outcome.err for words in form.says), outcome.err
    assert not (folder / "out.onnx").exists()


def on_the_pi(form: UnsupportedForm, command: str, folder: Path) -> None:
    done = pi_infer(*arguments(command, folder))
    accepts = command in form.accepts
    said = done.stderr
    if command == "doctor":  # what else it finds is the machine's
        checks = json.loads((folder / "doctor.json").read_text())["checks"]
        (found,) = (check for check in checks if check["name"] == "network")
        assert found["verdict"] == ("ok" if accepts else "problem"), found
        said = found["detail"]
    elif accepts:
        assert done.returncode == 0, done.stderr
    else:
        lines = [line for line in done.stderr.splitlines() if not line.startswith("round ")]
        assert (done.returncode, len(lines)) == (form.code, 1), done.stderr
    assert accepts or all(words in said for words in form.says), said


@pytest.mark.parametrize(("name", "command"), CASES)
def test_one_line_says_why(name: str, command: str, folder: Path) -> None:
    form = FORMS[name]
    form.make(folder / "model.onnx")
    (on_the_pi if command in ON_THE_PI else on_the_workstation)(form, command, folder)
