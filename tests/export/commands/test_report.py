"""``--report`` of the commands, and ``pi-export report``: what is written, and that it is true."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.command_line import assert_one_line, run_here
from tests.attacks.images import labelled_images
from tests.attacks.networks import CLASSES, network, save


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was reduced with a report; its networks are timed for that, so this is done once."""
    folder = tmp_path_factory.mktemp("reported")
    model = network()
    model.graph.node[0].name = "<script>alert(1)</script>"
    save(model, folder / "model.onnx")
    labelled_images(folder / "images", CLASSES)
    outcome = run_here(
        "reduce", folder / "model.onnx", "--images", folder / "images", "-o", folder / "out.onnx",
        "--speedup", "2", "--max-drop", "100", "--json", folder / "out.json",
        "--report", folder / "new" / "report",
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    return folder


def document(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def test_it_stands_alone_and_holds_what_programs_are_given(folder: Path) -> None:
    page = (folder / "new" / "report" / "report.html").read_text()
    whole, given = document(folder / "new" / "report" / "report.json"), document(folder / "out.json")
    layers = [{key: layer[key] for key in given["layers"][0]} for layer in whole["layers"]]
    assert {key: whole[key] for key in given} | {"layers": layers} == given
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"https?:|url\((?!#)|@import", page)


def test_it_looks_closer(folder: Path) -> None:
    found = document(folder / "new" / "report" / "report.json")
    assert found["bytes_after"] == (folder / "out.onnx").stat().st_size
    assert found["bytes_before"] > 0
    errors = {layer["name"]: layer["response_error"] for layer in found["layers"]}
    assert errors["classifier"] > 0
    agreed = next(each for each in found["agreement"]["figures"] if each["measure"] == "same class")
    assert found["differences"]["images"] == agreed["cases"]
    assert found["differences"]["count"] == round(agreed["cases"] * (1 - agreed["percent"] / 100))
    assert [model["name"] for model in found["bench"]["models"]] == ["model.onnx", "out.onnx"]
    assert found["command"].startswith(f"pi-export reduce {folder / 'model.onnx'} --images ")


def test_an_evaluation_and_a_reduction_in_one(folder: Path) -> None:
    models = folder / "model.onnx", folder / "out.onnx"
    outcome = run_here("evaluate", *models, "--images", folder / "images", "--report", folder / "evaluated")
    assert (outcome.code, outcome.err) == (0, "")
    evaluation = document(folder / "evaluated" / "report.json")
    figures = evaluation["models"][1]["agreement"]["figures"]
    same = next(each["percent"] for each in figures if each["measure"] == "same class")
    assert evaluation["differences"]["count"] == round(evaluation["images"] * (1 - same / 100))
    reports = [folder / name / "report.json" for name in ("new/report", "evaluated")]
    outcome = run_here("report", *reports, "-o", folder / "both")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{folder / 'both' / 'report.html'}\n", "")
    text = (folder / "both" / "report.md").read_text()
    assert "## Every layer" in text
    assert f"Top-1, {evaluation['images']} images" in text


def test_a_file_that_is_no_result_is_named(folder: Path) -> None:
    outcome = run_here("report", folder / "model.onnx", "-o", folder / "none")
    assert_one_line(outcome, 2, "model.onnx")


def test_what_draws_is_missed_before_any_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    outcome = run_here("evaluate", folder / "model.onnx", "--images", folder / "no", "--report", folder / "r")
    assert_one_line(outcome, 2, "pi-export needs matplotlib: pip install 'pi-infer[export]'")
