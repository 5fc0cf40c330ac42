"""Which source reads what the user names."""

from pathlib import Path
from typing import Any

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
