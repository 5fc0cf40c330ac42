"""True boxes: labels read strictly, each fault with its line."""

import shutil
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError
from export.judge.box_labels import find_box_folder, read_boxes
from tests.export.judge.boxes import box_folder


def test_labels_become_pixels(tmp_path: Path) -> None:
    folder = find_box_folder(box_folder(tmp_path / "set", "7 0.5 0.5 0.5 0.25\n\n3 0.25 0.5 0.5 1\n"))
    assert folder is not None
    truth = folder.truth(folder.images.files[0].path, (40, 80))
    assert truth.boxes.tolist() == [[20, 15, 60, 25], [0, 0, 40, 40]]
    assert truth.classes.tolist() == [7, 3]


def test_an_image_without_a_label_file_shows_nothing(tmp_path: Path) -> None:
    root = box_folder(tmp_path / "set", "0 0.5 0.5 0.1 0.1\n")
    shutil.copy(root / "images" / "a.png", root / "images" / "b.png")
    folder = find_box_folder(root)
    assert folder is not None
    assert len(folder.truth(root / "images" / "b.png", (40, 80)).classes) == 0


def test_labels_of_no_image_are_an_error(tmp_path: Path) -> None:
    root = box_folder(tmp_path / "set", "")
    (root / "labels" / "a.txt").rename(root / "labels" / "other.txt")
    with pytest.raises(InputError, match=r"no image .* has labels; expected for example .*a\.txt"):
        find_box_folder(root)


def test_other_folders_have_no_true_boxes(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert find_box_folder(tmp_path) is None


@pytest.mark.parametrize(
    "line",
    [
        "0 0.5 0.5 0.1",
        "0 0.5 0.5 0.1 0.1 0.9",
        "cat 0.5 0.5 0.1 0.1",
        "-1 0.5 0.5 0.1 0.1",
        "1.5 0.5 0.5 0.1 0.1",
        "0 nan 0.5 0.1 0.1",
        "inf 0.5 0.5 0.1 0.1",
        "1e400 0.5 0.5 0.1 0.1",
        "0 320 240 50 50",
        "0 0.5 0.5 -0.1 0.1",
    ],
)
def test_a_malformed_label_names_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(InputError, match=r"a\.txt, line 2: ") as caught:
        read_boxes(path, (40, 80))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe0 1", None])
def test_unreadable_labels_are_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.txt"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot read the labels .*a\.txt"):
        read_boxes(path, (40, 80))
