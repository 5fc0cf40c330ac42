"""Which files of a folder are pictures: the same for the live command, reduce and evaluate."""

import logging
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.frames.folder import FolderSource
from edge_runtime.frames.picture_files import PictureFiles, find_pictures
from export.calibrate.images import ImageReader, find_images

JPEG = cv2.imencode(".jpg", np.full((8, 9, 3), 77, np.uint8))[1].tobytes()
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


def put(root: Path, *names: str, content: bytes = JPEG) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def found(root: Path) -> PictureFiles:
    return find_pictures(root, unlisted=lambda error: pytest.fail(str(error)))


def names(root: Path, paths: tuple[Path, ...]) -> list[str]:
    return [str(path.relative_to(root)) for path in paths]


def test_names_and_contents_tell_pictures_in_the_order_of_their_paths(tmp_path: Path) -> None:
    put(tmp_path, "b.JPG", "a.jfif", "deep/er/c.webp", "bare", "photo.jpg.1", "data.bin")
    put(tmp_path, "notes.txt", "labels.csv", "film.mp4", content=b"0.1,0.2")
    assert names(tmp_path, found(tmp_path).paths) == [
        "a.jfif", "b.JPG", "bare", "data.bin", "deep/er/c.webp", "photo.jpg.1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "place",
    [".thumbnails", "@eaDir", "@EADIR", ".Trash-1000/files", "__MACOSX", "$RECYCLE.BIN", "#recycle", ".git"],
)
def test_hidden_folders_and_thumbnails_are_left_out_and_counted(
    place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "a.jpg", f"{place}/a.jpg", f"{place}/deep/b.png", f"sub/{place}/c.gif", "._a.jpg")
    put(tmp_path, f"{place}/index", ".DS_Store", ".hidden/notes.txt")
    result = found(tmp_path)
    assert names(tmp_path, result.paths) == ["a.jpg"]
    assert (result.hidden, result.skipped) == (4, ())
    assert [record.getMessage() for record in caplog.records] == [
        f"left out 4 hidden pictures and thumbnails in {tmp_path}"
    ]


def test_the_folder_that_was_asked_for_may_itself_be_hidden(tmp_path: Path) -> None:
    put(tmp_path / ".cache" / "@eaDir", "a.jpg")
    assert names(tmp_path, found(tmp_path / ".cache" / "@eaDir").paths) == [".cache/@eaDir/a.jpg"]


def test_links_to_nothing_and_foreign_formats_are_skipped_by_name(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    put(tmp_path, "b.heic", content=HEIC)
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "class").symlink_to(tmp_path / "gone")
    (tmp_path / "self.png").symlink_to("self.png")
    (tmp_path / ".hidden.jpg").symlink_to("nowhere")
    result = found(tmp_path)
    assert names(tmp_path, result.paths) == ["a.jpg"]
    assert names(tmp_path, result.skipped) == ["b.heic", "class", "gone.jpg", "self.png"]
    assert result.hidden == 1


def test_pipes_are_neither_opened_nor_pictures(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path, found(tmp_path).paths) == ["a.jpg"]


def test_linked_folders_are_followed_once_and_circles_end(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/a.jpg", "images/own/b.jpg")
    (tmp_path / "images" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "images" / "own" / "circle").symlink_to(tmp_path / "images")
    assert names(tmp_path, found(tmp_path / "images").paths) == ["images/linked/a.jpg", "images/own/b.jpg"]


def test_live_and_the_workstation_find_read_skip_and_count_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "x/a.jpg", "x/@eaDir/a.jpg", "y/b", "y/.thumbnails/b.jpg")
    put(tmp_path, "y/broken.png", "y/foreign.heic", content=b"no picture")
    (tmp_path / "z").symlink_to("nowhere")
    with caplog.at_level(logging.WARNING):
        live = FolderSource(tmp_path)
        frames = list(live)
    folder = find_images(tmp_path)
    reader = ImageReader(folder.files)
    read = list(reader)
    assert [frame.name for frame in frames] == names(tmp_path, tuple(image.file.path for image in read))
    assert [frame.name for frame in frames] == ["x/a.jpg", "y/b"]
    assert [image.file.class_name for image in read] == ["x", "y"]  # the link to nothing is no loose picture
    assert sorted(live.skipped) == sorted([*folder.skipped, *reader.skipped])
    assert names(tmp_path, tuple(sorted(live.skipped))) == ["y/broken.png", "y/foreign.heic", "z"]
    assert live.hidden == 2
    assert "2 links to nothing or pictures in formats that OpenCV cannot decode: " in caplog.text


def test_a_folder_of_nothing_but_foreign_pictures_says_so(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.heic" for number in range(7)), content=b"no picture")
    for read in (FolderSource, find_images):
        with pytest.raises(InputError, match=r"; skipped: 7 .*0\.heic.*4\.heic, \.\.\.$"):
            read(tmp_path)
