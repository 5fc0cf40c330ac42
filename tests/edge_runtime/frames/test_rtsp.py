"""Network cameras that stop, hang and come back, with a real RTSP server on loopback."""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edge_runtime.base.errors import CameraError
from edge_runtime.frames.newest import Newest
from edge_runtime.frames.stream import StreamSource, open_address

PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
RED, BLUE = (0, 0, 255), (255, 0, 0)

Serve = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module", autouse=True)
def _server_is_there() -> None:
    if (
        not Path(PYTHON).exists()
        or subprocess.run([PYTHON, "-c", NEEDS], capture_output=True, check=False).returncode
    ):
        pytest.skip(
            "needs an RTSP server (apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 "
            "gstreamer1.0-plugins-base gstreamer1.0-plugins-good)"
        )


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server; ``port`` is that of the last one unless given."""
    running: list[subprocess.Popen[str]] = []
    ports = ["0"]

    def start(size: tuple[int, int] = (320, 240), pattern: str = "red") -> "subprocess.Popen[str]":
        server = subprocess.Popen(
            [PYTHON, SERVER, ports[-1], *map(str, size), pattern], stdout=subprocess.PIPE, text=True
        )
        running.append(server)
        assert server.stdout is not None
        ports.append(server.stdout.readline().strip())
        assert ports[-1].isdecimal()
        server.address = f"rtsp://127.0.0.1:{ports[-1]}/camera"  # type: ignore[attr-defined]
        return server

    yield start
    for server in running:
        server.kill()
        server.communicate()


def stop(server: "subprocess.Popen[str]") -> None:
    server.kill()
    server.wait()


def colour(image: object) -> tuple[int, ...]:
    return tuple(round(value / 255) * 255 for value in image[100, 100])  # type: ignore[index]


def test_frames_come_in_order_with_their_times(serve: Serve) -> None:
    source = StreamSource(open_address(serve().address), reconnects=0)
    frames = [frame for frame, _ in zip(source, range(20), strict=False)]
    source.close()
    assert source.live
    assert [frame.sequence for frame in frames] == list(range(20))
    assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
    assert {colour(frame.image) for frame in frames} == {RED}
    assert all(before.captured_ns < after.captured_ns for before, after in pairwise(frames))


def test_a_stream_that_comes_back_goes_on_also_at_another_size(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    source = StreamSource(open_address(server.address), reconnects=50, first_delay_s=0.05)
    newest = Newest(source)
    frames = iter(newest)
    before = next(frames)
    stop(server)
    with caplog.at_level(logging.WARNING):
        restart = threading.Timer(0.3, serve, [(160, 128), "blue"])
        restart.start()
        after = next(frame for frame in frames if frame.image.shape == (128, 160, 3))
    restart.join()
    newest.close()
    assert colour(after.image) == BLUE
    assert after.sequence > before.sequence
    messages = [record.getMessage().removeprefix(server.address) for record in caplog.records]
    assert messages == [" stopped delivering frames; trying to open it again", " delivers frames again"]


def test_a_stream_that_stays_away_is_given_up(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve()
    source = StreamSource(open_address(server.address), reconnects=3, first_delay_s=0.01)
    frames = iter(source)
    next(frames)
    stop(server)
    with pytest.raises(
        CameraError, match="did not come back in 3 attempts: check the camera and the network"
    ):
        for _ in frames:
            pass
    source.close()
    assert len(caplog.records) == 1


def test_a_server_that_hangs_is_noticed(serve: Serve) -> None:
    server = serve()
    video = open_address(server.address, open_limit_s=3, read_limit_s=1)
    source = StreamSource(video, reconnects=1, first_delay_s=0.01)
    frames = iter(source)
    next(frames)
    server.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(CameraError, match="stopped delivering frames"):
        for _ in frames:
            pass
    assert time.monotonic() - start < 30
    source.close()


def test_close_does_not_wait_for_the_next_attempt(serve: Serve) -> None:
    server = serve()
    source = StreamSource(open_address(server.address), reconnects=1000, first_delay_s=20)
    newest = Newest(source)
    frames = iter(newest)
    next(frames)
    stop(server)
    closer = threading.Timer(0.5, newest.close)
    closer.start()
    start = time.monotonic()
    list(frames)
    closer.join()
    assert time.monotonic() - start < 10


def test_the_command_ends_with_4_and_one_line(
    serve: Serve,
    make_network: Callable[..., Path],
    pi_infer: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    server = serve()
    threading.Timer(3, server.kill).start()
    done = pi_infer("--source", server.address, "--model", make_network(), "--reconnects", "0")
    assert done.returncode == 4
    warning, error = done.stderr.splitlines()
    assert warning.startswith("pi-infer: warning: rtsp://")
    assert error.startswith("pi-infer: error: rtsp://")
    assert "fps" in done.stdout.splitlines()[-1]
