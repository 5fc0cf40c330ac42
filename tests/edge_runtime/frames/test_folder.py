import errno
import logging
import os
from pathlib import Path

import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.frames.folder import FolderSource
from edge_runtime.frames.select import open_source
from edge_runtime.model.card import InputSpec
from edge_runtime.settings.config import SourceConfig

SPEC = InputSpec((8, 8))


def test_each_readable_picture_comes_once_in_order_and_the_broken_one_is_named(
    pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = FolderSource(pictures)
    with caplog.at_level(logging.WARNING):
        frames = list(source)
    assert [(frame.name, frame.label, frame.sequence) for frame in frames] == [
        ("circle/1.png", "circle", 0),
        ("square/2.png", "square", 1),
    ]
    assert frames[1].image.shape == (40, 50, 3)
    assert frames[1].image.mean() == 200
    assert source.skipped == [pictures / "square" / "broken.png"]
    assert [record.message for record in caplog.records if "broken.png" in record.message]
    assert len(caplog.records) == 1


def test_one_picture_is_a_source_of_one_frame_without_a_label(pictures: Path) -> None:
    frames = list(open_source(SourceConfig(location=str(pictures / "circle" / "1.png")), SPEC))
    assert [(frame.name, frame.label) for frame in frames] == [("1.png", None)]


def test_a_closed_folder_ends_before_the_next_picture(pictures: Path) -> None:
    source = FolderSource(pictures)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(InputError, match="no pictures in"):
        FolderSource(tmp_path)


def test_a_folder_of_only_broken_pictures_is_refused(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="none of the 2 pictures"):
        list(FolderSource(tmp_path))


def test_the_only_picture_says_itself_what_is_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    for path in (tmp_path, tmp_path / "a.png"):
        with pytest.raises(InputError, match=r"a\.png is empty$"):
            list(FolderSource(path))
    assert caplog.records == []


def test_a_folder_that_cannot_be_listed_is_refused_and_one_within_it_skipped(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed = pictures

    def scandir(folder: str) -> object:
        if Path(folder) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", folder)
        return real(folder)

    real = os.scandir
    monkeypatch.setattr("os.scandir", scandir)
    with pytest.raises(InputError, match=f"^cannot list {pictures}: Permission denied$"):
        FolderSource(pictures)
    closed = pictures / "square"
    assert [frame.name for frame in FolderSource(pictures)] == ["circle/1.png"]
    assert caplog.messages == [f"skipped: cannot list {closed}: Permission denied"]


@pytest.mark.parametrize("name", ["missing", "missing.png"])
def test_a_missing_source_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="No such file"):
        open_source(SourceConfig(location=str(tmp_path / name)), SPEC)
