"""What a text for --source leads to, by what stands there."""

import os
from pathlib import Path

import pytest

from edge_runtime.base.locations import Location, location_of

SHARED_MEMORY = "/dev/shm"  # noqa: S108  it lies below /dev and holds files


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("demo", Location.DEMO), ("-", Location.STANDARD_INPUT), ("rtsp://camera/1", Location.ADDRESS),
        ("/dev/null", Location.CAMERA), ("/dev/video99", Location.CAMERA),
        ("/dev/v4l/by-id/x", Location.CAMERA), (f"{SHARED_MEMORY}/missing.mp4", Location.FILE),
        ("/dev/videos.mp4", Location.FILE), ("missing", Location.FILE), ("x" * 300, Location.FILE),
        ("/dev", Location.FOLDER),
    ],
)  # fmt: skip
def test_by_name_only_where_nothing_stands_there(text: str, expected: Location) -> None:
    assert location_of(text) is expected


def test_by_what_it_is_whatever_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "front-door").symlink_to("/dev/null")
    (tmp_path / "file").touch()
    (tmp_path / "demo").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert location_of("front-door") is Location.CAMERA
    assert location_of("file") is location_of("pipe") is Location.FILE
    assert location_of("./demo") is Location.FOLDER
    assert location_of("demo") is Location.DEMO


def test_a_film_in_shared_memory_is_a_file() -> None:
    film = Path(SHARED_MEMORY) / f"film-of-a-test-{os.getpid()}.mp4"
    film.write_bytes(b"")
    try:
        assert location_of(str(film)) is Location.FILE
    finally:
        film.unlink()
