import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.errors import CameraError, InputError
from edge_runtime.frames.opencv import OpenCVSource
from edge_runtime.frames.select import open_source


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A web server on loopback that serves the test's folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_frame_of_a_file_comes_in_order(video: Path) -> None:
    source = OpenCVSource(str(video), every_frame=True)
    frames = list(source)
    source.close()
    assert not source.live
    assert [frame.sequence for frame in frames] == list(range(12))
    assert [round(frame.image.mean() / 20) for frame in frames] == list(range(12))


def test_a_file_plays_at_its_own_rate(video: Path) -> None:
    source = OpenCVSource(str(video))
    assert source.live
    frames = list(source)
    source.close()
    assert len(frames) == 12
    assert frames[-1].captured_ns - frames[0].captured_ns >= 0.98 * 11 / 20 * 1e9


def test_close_ends_the_iteration_from_another_thread(video: Path) -> None:
    source = OpenCVSource(str(video))
    closer = threading.Timer(0.1, source.close)
    closer.start()
    assert len(list(source)) < 12
    closer.join()
    source.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x00\x00\x00\x20ftypisom" + b"junk" * 100, "is not a video or picture"),
        (b"RIFF\x00\x00", "is not a video or picture"),
    ],
    ids=["empty", "junk", "truncated"],
)
def test_a_file_that_is_no_video_is_refused_in_one_line(
    tmp_path: Path, content: bytes, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.mp4").write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_source(str(tmp_path / "bad.mp4"), size=(8, 8))
    assert capfd.readouterr().err == ""


def test_a_missing_device_is_a_camera_error() -> None:
    with pytest.raises(CameraError, match="cannot open /dev/video99"):
        open_source("/dev/video99", size=(8, 8))


def test_a_stream_delivers_and_its_end_is_an_error(video: Path, address: str) -> None:
    source = OpenCVSource(f"{address}/{video.name}")
    frames = iter(source)
    assert [next(frames).sequence for _ in range(12)] == list(range(12))
    with pytest.raises(InputError, match="ended or stopped answering"):
        next(frames)
    source.close()


def test_a_stream_that_does_not_answer_is_refused(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="cannot open the stream"):
        open_source(f"{address}/nothing.mp4", size=(8, 8))
    assert capfd.readouterr().err == ""
