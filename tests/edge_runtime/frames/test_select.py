"""Which source reads what the user names."""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.base.errors import CameraError, InputError
from edge_runtime.frames.demo import DemoSource
from edge_runtime.frames.folder import FolderSource
from edge_runtime.frames.select import open_source
from edge_runtime.frames.stream import StreamSource
from edge_runtime.frames.video_file import VideoFileSource
from edge_runtime.model.card import InputSpec
from edge_runtime.settings.config import SourceConfig
from tests.edge_runtime.frames.web_cameras import NetworkCamera, folder_server, serving

SPEC = InputSpec((24, 32))


def opened(location: object, **settings: Any) -> Any:
    source = open_source(SourceConfig(location=str(location), **settings), SPEC)
    source.close()
    return source


def test_a_film_is_played_at_its_own_rate_or_frame_by_frame(video: Path) -> None:
    assert isinstance(opened(video), VideoFileSource)
    assert opened(video).live
    assert not opened(video, every_frame=True).live


def test_a_film_behind_an_address_is_a_film(video: Path) -> None:
    with serving(folder_server(video.parent)) as server:
        address = f"{server.address}/{video.name}"  # type: ignore[attr-defined]
        assert isinstance(opened(address), VideoFileSource)
        assert not opened(address, every_frame=True).live
        source = open_source(SourceConfig(location=address, every_frame=True), SPEC)
        assert [frame.sequence for frame in source] == list(range(12))
        source.close()


def test_an_address_without_an_end_is_a_stream_and_is_connected_to_once() -> None:
    with serving(NetworkCamera) as server:
        address = server.address  # type: ignore[attr-defined]
        assert isinstance(opened(address), StreamSource)
        assert server.visitors == 1  # type: ignore[attr-defined]  # many cameras serve one client only
        patient, hasty = opened(address, reconnects=5), opened(address, reconnects=0)
    assert patient.limit_s > hasty.limit_s


def test_a_device_is_a_camera() -> None:
    with pytest.raises(CameraError, match="cannot open /dev/video99"):
        opened("/dev/video99")


def test_pictures_and_folders_are_read_by_name(pictures: Path) -> None:
    assert isinstance(opened(pictures), FolderSource)
    assert isinstance(opened(pictures / "circle" / "1.png"), FolderSource)


def test_the_demo_draws_at_the_networks_size() -> None:
    source = open_source(SourceConfig(location="demo"), SPEC)
    assert isinstance(source, DemoSource)
    assert next(iter(source)).image.shape == (24, 32, 3)
    source.close()


def test_nothing_is_no_source() -> None:
    with pytest.raises(InputError, match="nothing to run on: give --camera, or --source"):
        open_source(SourceConfig(), SPEC)


def test_a_film_or_picture_is_told_by_its_content(video: Path, pictures: Path, tmp_path: Path) -> None:
    shared = Path("/dev/shm") / f"film-of-a-test-{os.getpid()}.png"  # noqa: S108  it lies below /dev
    shared.write_bytes(video.read_bytes())
    try:
        assert isinstance(opened(shared), VideoFileSource)
    finally:
        shared.unlink()
    (tmp_path / "film.mp4").write_bytes((pictures / "circle" / "1.png").read_bytes())
    assert isinstance(opened(tmp_path / "film.mp4"), FolderSource)


def test_a_moving_gif_is_a_film_and_a_still_one_a_picture(tmp_path: Path) -> None:
    if not cv2.haveImageWriter(".gif"):
        pytest.skip("this OpenCV writes no GIF")
    moving = cv2.Animation()
    moving.frames = [np.full((24, 32, 3), grey, np.uint8) for grey in (0, 90, 180)]
    moving.durations = np.full(3, 100)
    cv2.imwriteanimation(str(tmp_path / "moving.gif"), moving)
    cv2.imwrite(str(tmp_path / "still.gif"), moving.frames[1])
    assert isinstance(opened(tmp_path / "still.gif"), FolderSource)
    source = open_source(SourceConfig(location=str(tmp_path / "moving.gif"), every_frame=True), SPEC)
    assert [round(frame.image.mean() / 90) for frame in source] == [0, 1, 2]
    source.close()


def test_a_picture_in_a_foreign_format_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "a.NEF").write_bytes(cv2.imencode(".tif", np.zeros((4, 5, 3), np.uint8))[1].tobytes())
    with pytest.raises(InputError, match="make a JPEG or PNG of it"):
        opened(tmp_path / "a.NEF")
