"""Hostile folders of images: bad files are skipped, counted and named; bad folders end with one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks import images as attacks
from tests.attacks.command_line import Outcome, assert_one_line, run_apart, run_here
from tests.attacks.networks import CLASSES, write_network


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_network(tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def reduce(model: Path, folder: Path) -> Outcome:
    return run_here("reduce", model, "--images", folder, "-o", model.parent / "out.onnx", "--speedup", "1.5")


@pytest.mark.parametrize("attack", attacks.UNREADABLE, ids=lambda attack: attack.__name__)
def test_unreadable_image_among_good_ones(
    attack: Callable[[Path], None], model: Path, tmp_path: Path
) -> None:
    attacks.good_images(tmp_path / "images", count=5)
    attack(tmp_path / "images" / "bad.jpg")
    report = tmp_path / "report.json"
    outcome = run_apart("evaluate", model, "--images", tmp_path / "images", "--json", report)
    assert outcome.code == 0
    lines = outcome.err.splitlines()
    assert lines == [f"pi-export: warning: skipped 1 unreadable images: {tmp_path / 'images' / 'bad.jpg'}"]
    document = json.loads(report.read_text())
    assert document["images"] == 5
    assert document["skipped"] == [str(tmp_path / "images" / "bad.jpg")]


def test_reduce_skips_and_names_unreadable_images(model: Path, tmp_path: Path) -> None:
    attacks.good_images(tmp_path / "images")
    attacks.cut_short(tmp_path / "images" / "cut.jpg")
    attacks.text(tmp_path / "images" / "text.png")
    outcome = reduce(model, tmp_path / "images")
    assert outcome.code == 0
    assert "skipped 2 unreadable images" in outcome.err
    assert "cut.jpg" in outcome.err
    assert "text.png" in outcome.err


@pytest.mark.parametrize("command", ["reduce", "evaluate"])
def test_no_readable_image(command: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for attack in (attacks.text, attacks.empty, attacks.cut_short):
        attack(tmp_path / "images" / f"{attack.__name__}.png")
    output = ["-o", tmp_path / "out.onnx", "--speedup", "1.5"] if command == "reduce" else []
    outcome = run_here(command, model, "--images", tmp_path / "images", *output)
    assert_one_line(outcome, 2, "none of the 3 images can be read")
    assert not (tmp_path / "out.onnx").exists()


def test_empty_folder(model: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert_one_line(reduce(model, tmp_path / "images"), 2, "holds no images")


def test_missing_folder(model: Path, tmp_path: Path) -> None:
    assert_one_line(reduce(model, tmp_path / "images"), 2, "does not exist")


def test_file_in_place_of_a_folder(model: Path) -> None:
    assert_one_line(reduce(model, model), 2, "is not a folder")


def test_folder_of_other_files(model: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "notes.txt").write_text("nothing to see")
    assert_one_line(reduce(model, tmp_path / "images"), 2, "holds no images")


def test_images_all_alike(model: Path, tmp_path: Path) -> None:
    attacks.images_all_alike(tmp_path / "images")
    assert_one_line(reduce(model, tmp_path / "images"), 2, "the same")


def test_images_of_one_colour(model: Path, tmp_path: Path) -> None:
    attacks.images_of_one_colour(tmp_path / "images")
    assert_one_line(reduce(model, tmp_path / "images"), 2)


def test_one_image_only(model: Path, tmp_path: Path) -> None:
    attacks.good_images(tmp_path / "images", count=1)
    assert_one_line(reduce(model, tmp_path / "images"), 2, "too few")


def test_images_all_alike_tell_nothing(model: Path, tmp_path: Path) -> None:
    attacks.images_all_alike(tmp_path / "images")
    outcome = run_here("evaluate", model, "--images", tmp_path / "images")
    assert_one_line(outcome, 2, "give images that differ")


def test_class_folders_that_fit_no_class(model: Path, tmp_path: Path) -> None:
    attacks.labelled_images(tmp_path / "images", CLASSES + 1)
    outcome = run_here("evaluate", model, "--images", tmp_path / "images")
    assert_one_line(outcome, 2, "cannot tell which class")


def test_folder_linked_into_itself(model: Path, tmp_path: Path) -> None:
    attacks.good_images(tmp_path / "images" / "a")
    (tmp_path / "images" / "a" / "again").symlink_to(tmp_path / "images")
    (tmp_path / "images" / "b").symlink_to("b")
    outcome = run_here(
        "evaluate", model, "--images", tmp_path / "images" / "a", "--json", tmp_path / "r.json"
    )
    assert outcome.code == 0
    assert json.loads((tmp_path / "r.json").read_text())["images"] == 12


def test_image_names_cannot_steer_the_terminal(model: Path, tmp_path: Path) -> None:
    attacks.good_images(tmp_path / "images", count=2)
    attacks.text(tmp_path / "images" / "\x1b[2Jbad\n.png")
    outcome = run_here("evaluate", model, "--images", tmp_path / "images")
    assert outcome.code == 0
    assert "\x1b" not in outcome.err
    assert len(outcome.err.splitlines()) == 1
