import contextlib
import functools
import http.server
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from edge_runtime.base.errors import CameraError, InputError
from edge_runtime.frames.base import FrameSource
from edge_runtime.frames.opencv import LONGEST_DELAY_S, OpenCVSource
from edge_runtime.frames.select import open_source
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import Preprocessor
from edge_runtime.settings.config import SourceConfig


def opened(location: object) -> FrameSource:
    return open_source(SourceConfig(location=str(location)), InputSpec((8, 8)))


def write_film(path: Path, images: NDArray[np.uint8], rate_hz: float = 20.0) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate_hz, (64, 48))
    for image in images:
        writer.write(image)
    writer.release()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class NetworkCamera(Quiet):
    """Ten JPEG pictures for each client, one after another, as cheap network cameras send them."""

    visitors = 0

    def do_GET(self) -> None:
        NetworkCamera.visitors += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        for number in range(10):
            picture = np.full((48, 64, 3), 20 * number, np.uint8)
            data = cv2.imencode(".jpg", picture)[1].tobytes()
            head = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
            with contextlib.suppress(ConnectionError):
                self.wfile.write(head + data + b"\r\n")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A web server on loopback that serves the test's folder."""
    yield from serve(functools.partial(Quiet, directory=tmp_path))


@pytest.fixture
def camera_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(NetworkCamera, "visitors", 0)
    yield from serve(NetworkCamera)


def serve(handler: object) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # type: ignore[arg-type]
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


def test_a_very_slow_film_is_not_taken_for_a_hung_one(tmp_path: Path) -> None:
    path = tmp_path / "slow.avi"
    write_film(path, np.zeros((1, 48, 64, 3), np.uint8), rate_hz=0.1)
    source = OpenCVSource(str(path))
    source.close()
    assert source.limit_s > 20


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
        opened(tmp_path / "bad.mp4")
    assert capfd.readouterr().err == ""


def test_a_film_whose_frames_change_their_size_goes_on(tmp_path: Path) -> None:
    sizes = [(48, 64), (48, 64), (96, 128), (30, 40)]
    pictures = [cv2.imencode(".jpg", np.full((*size, 3), 90, np.uint8))[1].tobytes() for size in sizes]
    (tmp_path / "film.mjpeg").write_bytes(b"".join(pictures))
    preprocess = Preprocessor(InputSpec((16, 16)))
    source = OpenCVSource(str(tmp_path / "film.mjpeg"), every_frame=True)
    means = [preprocess(frame.image).mean() for frame in source]
    source.close()
    assert len(means) >= 3  # OpenCV's reader may keep the last picture back
    assert all(abs(mean - 90) < 2 for mean in means)


def test_a_film_cut_in_the_middle_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "film.avi"
    write_film(path, np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    source = OpenCVSource(str(path), every_frame=True)
    frames = list(source)
    source.close()
    assert 0 < len(frames) < 12
    assert f"ended after {len(frames)} of its 12 frames" in caplog.text


@given(seed=st.integers(0, 2**32), share=st.floats(0.0005, 0.05))
@settings(max_examples=30, deadline=None)
def test_a_damaged_film_yields_frames_or_one_error(
    seed: int, share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / "damaged.avi"
    write_film(path, np.random.default_rng(0).integers(0, 256, (8, 48, 64, 3), np.uint8))
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for _ in range(max(1, round(share * len(content)))):
        content[rng.integers(len(content))] = rng.integers(256)
    path.write_bytes(content)
    try:
        source = OpenCVSource(str(path), every_frame=True)
        shapes = [frame.image.shape for frame in source]
        source.close()
    except InputError:
        return
    assert all(len(shape) == 3 and shape[2] == 3 for shape in shapes)


def test_a_missing_device_is_a_camera_error() -> None:
    with pytest.raises(CameraError, match="cannot open /dev/video99: is it plugged in"):
        opened("/dev/video99")


def test_a_usb_camera_that_is_held_names_the_holder(tmp_path: Path) -> None:
    entry = tmp_path / "sys/class/video4linux/video7"
    device = tmp_path / "sys/devices/usb1/1-1"
    descriptors = tmp_path / "proc/4711/fd"
    for folder in (entry, device, descriptors):
        folder.mkdir(parents=True)
    (entry / "name").write_text("Webcam\n")
    (entry / "device").symlink_to(device)
    (tmp_path / "proc/4711/comm").write_text("motion\n")
    (descriptors / "5").symlink_to("/dev/video7")
    with pytest.raises(CameraError, match=r"/dev/video7 is held by motion \(process 4711\)"):
        OpenCVSource("/dev/video7", root=tmp_path)


def test_a_film_behind_an_address_plays_as_a_file_does(video: Path, address: str) -> None:
    source = OpenCVSource(f"{address}/{video.name}")
    frames = list(source)
    source.close()
    assert [frame.sequence for frame in frames] == list(range(12))
    assert frames[-1].captured_ns - frames[0].captured_ns >= 0.98 * 11 / 20 * 1e9


def test_no_message_tells_the_password_of_a_stream() -> None:
    with pytest.raises(CameraError) as caught:
        OpenCVSource("rtsp://user:pa:ss@127.0.0.1:9/x")
    assert "rtsp://user:...@127.0.0.1:9/x" in str(caught.value)


def test_a_stream_that_does_not_answer_is_refused(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CameraError, match="cannot open the stream"):
        opened(f"{address}/nothing.mp4")
    assert capfd.readouterr().err == ""


def test_a_stream_that_ends_is_opened_again(camera_address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    source = OpenCVSource(camera_address, reconnects=2, first_delay_s=0.01)
    frames = [frame for frame, _ in zip(source, range(25), strict=False)]
    source.close()
    assert [frame.sequence for frame in frames] == list(range(25))
    assert NetworkCamera.visitors >= 3
    assert "delivers frames again" in caplog.text


def test_an_attempt_that_brings_frames_is_followed_by_a_fresh_set_of_attempts(camera_address: str) -> None:
    source = OpenCVSource(camera_address, reconnects=1, first_delay_s=0.01)
    assert len([frame for frame, _ in zip(source, range(40), strict=False)]) == 40
    source.close()


def test_without_attempts_a_stream_that_ends_is_an_error(camera_address: str) -> None:
    source = OpenCVSource(camera_address, reconnects=0)
    with pytest.raises(CameraError, match="stopped delivering frames: check the camera and the network"):
        list(source)
    source.close()


def test_attempts_are_bounded_in_number_and_in_time(camera_address: str) -> None:
    source = OpenCVSource(camera_address, reconnects=1_000_000, first_delay_s=0.5)
    source.close()
    assert source.limit_s > 1_000_000 * LONGEST_DELAY_S * 0.99


def test_streams_do_not_collect_file_descriptors(camera_address: str) -> None:
    source = OpenCVSource(camera_address, reconnects=5, first_delay_s=0.01)
    frames = iter(source)
    counts = []
    for _ in range(4):
        for _ in range(10):
            next(frames)
        time.sleep(0.05)
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    source.close()
    assert max(counts[1:]) - min(counts[1:]) <= 2
