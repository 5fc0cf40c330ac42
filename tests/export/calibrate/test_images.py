import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st

from edge_runtime.base.errors import InputError
from edge_runtime.frames.image_file import read_image
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import Preprocessor
from export.calibrate.images import ImageFile, ImageFolder, ImageReader, find_images, prepare
from tests.attacks.images import cut_short, good_images, labelled_images, text


def names(folder: ImageFolder) -> list[str]:
    return [str(file.path.relative_to(folder.root)) for file in folder.files]


def test_sorted_at_any_depth_whatever_the_case(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "deep/er/c.Jpeg", "notes.txt", ".hidden.png", ".cache/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folder = find_images(tmp_path)
    assert names(folder) == ["a.jpg", "b.PNG", "deep/er/c.Jpeg"]
    assert not folder.labelled
    assert folder.class_names == ()


def test_subfolders_are_classes(tmp_path: Path) -> None:
    labelled_images(tmp_path, classes=3, count=2)
    (tmp_path / "empty").mkdir()
    folder = find_images(tmp_path)
    assert folder.labelled
    assert folder.class_names == ("class0", "class1", "class2")
    assert [file.class_name for file in folder.files] == ["class0"] * 2 + ["class1"] * 2 + ["class2"] * 2


def test_one_loose_picture_makes_a_folder_unlabelled(tmp_path: Path) -> None:
    labelled_images(tmp_path, classes=2)
    good_images(tmp_path, count=1)
    assert not find_images(tmp_path).labelled


def test_linked_class_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    good_images(tmp_path / "elsewhere", count=2)
    (tmp_path / "images" / "own").mkdir(parents=True)
    (tmp_path / "images" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "images" / "own" / "circle").symlink_to(tmp_path / "images")
    good_images(tmp_path / "images" / "own", count=1)
    assert names(find_images(tmp_path / "images")) == ["linked/000.png", "linked/001.png", "own/000.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_unreadable_subfolder_is_an_error(tmp_path: Path) -> None:
    labelled_images(tmp_path, classes=2)
    (tmp_path / "class1").chmod(0)
    with pytest.raises(InputError, match="class1"):
        find_images(tmp_path)


def folder_of(*sizes: int) -> ImageFolder:
    root = Path("root")
    files = [
        ImageFile(root / f"c{c}" / f"{i}.png", f"c{c}") for c, size in enumerate(sizes) for i in range(size)
    ]
    return ImageFolder(root, tuple(sorted(files, key=lambda file: file.path)))


sizes = st.lists(st.integers(1, 12), min_size=1, max_size=6)


@given(sizes, st.integers(1, 80), st.integers(0, 5))
def test_chosen_evenly_over_the_classes(sizes: list[int], count: int, seed: int) -> None:
    folder = folder_of(*sizes)
    chosen = folder.choose(count, seed)
    assert len(chosen.files) == min(count, sum(sizes))
    assert list(chosen.files) == [file for file in folder.files if file in set(chosen.files)]
    taken = {name: sum(file.class_name == name for file in chosen.files) for name in folder.class_names}
    unfinished = [taken[f"c{c}"] for c, size in enumerate(sizes) if taken[f"c{c}"] < size]
    assert not unfinished or max(taken.values()) <= min(unfinished) + 1


@given(sizes, st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_fewer_are_a_part_of_more(sizes: list[int], one: int, other: int, seed: int) -> None:
    few, many = (set(folder_of(*sizes).choose(n, seed).files) for n in sorted((one, other)))
    assert few <= many


def test_seed_decides_which() -> None:
    folder = folder_of(50)
    assert folder.choose(10, 1) == folder.choose(10, 1)
    assert folder.choose(10, 1) != folder.choose(10, 2)


def test_reader_skips_and_names_what_it_cannot_read_each_time(tmp_path: Path) -> None:
    good_images(tmp_path, count=3)
    cut_short(tmp_path / "001.jpg")
    text(tmp_path / "zzz.png")
    reader = ImageReader(find_images(tmp_path).files)
    for _ in range(2):
        read = [image.file.path.name for image in reader]
        assert read == ["000.png", "001.png", "002.png"]
        assert [path.name for path in reader.skipped] == ["001.jpg", "zzz.png"]


def test_reader_with_nothing_readable(tmp_path: Path) -> None:
    text(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"none of the 1 images.*a\.png"):
        list(ImageReader(find_images(tmp_path).files))


def test_prepared_exactly_as_on_the_pi(tmp_path: Path) -> None:
    good_images(tmp_path, count=3, side=50)
    cv2.imwrite(str(tmp_path / "wide.jpg"), np.random.default_rng(0).integers(0, 256, (30, 90, 3), np.uint8))
    spec = InputSpec((32, 40), "letterbox", mean=(10.0, 20.0, 30.0), std=(2.0, 3.0, 4.0), scale=0.5)
    prepared = 0
    for image in prepare(ImageReader(find_images(tmp_path).files), spec):
        np.testing.assert_array_equal(image.tensor, Preprocessor(spec)(read_image(image.file.path)))
        prepared += 1
    assert prepared == 4
