import math
import threading
from functools import partial
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError
from edge_runtime.frames.base import FRAME_LIMIT_S
from edge_runtime.frames.capture import Capture, ffmpeg_video
from edge_runtime.frames.video_file import VideoFileSource, open_file
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import Preprocessor


def film(path: Path, *, every_frame: bool = False) -> VideoFileSource:
    return VideoFileSource(open_file(str(path)), every_frame=every_frame)


def write_film(path: Path, images: NDArray[np.uint8], rate_hz: float = 20.0) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate_hz, (64, 48))
    for image in images:
        writer.write(image)
    writer.release()


def test_every_frame_of_a_file_comes_in_order(video: Path) -> None:
    source = film(video, every_frame=True)
    frames = list(source)
    source.close()
    assert not source.live
    assert [frame.sequence for frame in frames] == list(range(12))
    assert [round(frame.image.mean() / 20) for frame in frames] == list(range(12))


def test_a_file_plays_at_its_own_rate(video: Path) -> None:
    source = film(video)
    assert source.live
    frames = list(source)
    source.close()
    assert len(frames) == 12
    assert frames[-1].captured_ns - frames[0].captured_ns >= 0.98 * 11 / 20 * 1e9


class OnAStoppedClock(Capture):
    """A real film, on a clock that goes on only where somebody waits."""

    def __init__(self, path: Path, now_ns: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(partial(ffmpeg_video, str(path)), path.name)
        self.now_ns = now_ns
        monkeypatch.setattr("time.monotonic_ns", lambda: self.now_ns)

    def wait(self, seconds: float) -> bool:
        self.now_ns += round(seconds * 1e9)
        return False


@pytest.mark.parametrize("boot_s", [0, 1, 10**8])
def test_frame_n_is_shown_n_intervals_after_the_first_whenever_the_clock_began(
    video: Path, monkeypatch: pytest.MonkeyPatch, boot_s: int
) -> None:
    source = VideoFileSource(OnAStoppedClock(video, boot_s * 10**9, monkeypatch))
    times_ms = [frame.captured_ns / 1e6 - boot_s * 1000 for frame in source]
    source.close()
    assert times_ms == pytest.approx([50 * number for number in range(12)], abs=0.01)


def test_a_frame_that_came_late_does_not_delay_those_after_it(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = OnAStoppedClock(video, 0, monkeypatch)
    source = VideoFileSource(capture)
    times_ms = []
    for frame in source:
        times_ms.append(frame.captured_ns / 1e6)
        capture.now_ns += 120_000_000 if frame.sequence == 1 else 0
    source.close()
    assert times_ms[:6] == pytest.approx([0, 50, 170, 170, 200, 250], abs=0.01)


def test_nothing_waits_where_every_frame_is_asked_for_or_the_film_knows_no_rate(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = OnAStoppedClock(video, 0, monkeypatch)
    source = VideoFileSource(capture, every_frame=True)
    assert {frame.captured_ns for frame in source} == {0}
    source.close()
    for rate_hz in (0.0, -1.0, 90_000.0, math.nan):
        monkeypatch.setattr(OnAStoppedClock, "rate_hz", rate_hz)
        source = VideoFileSource(OnAStoppedClock(video, 0, monkeypatch))
        assert {frame.captured_ns for frame in source} == {0}
        assert source.limit_s == FRAME_LIMIT_S
        source.close()


def test_frames_that_nobody_wants_are_numbered_and_not_handed_out(video: Path) -> None:
    source = film(video, every_frame=True)
    answers = cycle([True, False, False])
    source.wanted = lambda: next(answers)
    assert [frame.sequence for frame in source] == [0, 3, 6, 9]
    source.close()


def test_a_very_slow_film_is_not_taken_for_a_hung_one(tmp_path: Path) -> None:
    path = tmp_path / "slow.avi"
    write_film(path, np.zeros((1, 48, 64, 3), np.uint8), rate_hz=0.1)
    source = film(path)
    source.close()
    assert source.limit_s > 20


def test_close_ends_the_iteration_from_another_thread(video: Path) -> None:
    source = film(video)
    closer = threading.Timer(0.1, source.close)
    closer.start()
    assert len(list(source)) < 12
    closer.join()
    source.close()


def test_a_film_that_is_closed_halfway_is_not_called_damaged(
    video: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = film(video, every_frame=True)
    for frame in source:
        if frame.sequence == 2:
            source.close()
    assert frame.sequence == 2
    assert caplog.records == []


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
        open_file(str(tmp_path / "bad.mp4"))
    assert capfd.readouterr().err == ""


def test_a_film_whose_frames_change_their_size_goes_on(tmp_path: Path) -> None:
    sizes = [(48, 64), (48, 64), (96, 128), (30, 40)]
    pictures = [cv2.imencode(".jpg", np.full((*size, 3), 90, np.uint8))[1].tobytes() for size in sizes]
    (tmp_path / "film.mjpeg").write_bytes(b"".join(pictures))
    preprocess = Preprocessor(InputSpec((16, 16)))
    source = film(tmp_path / "film.mjpeg", every_frame=True)
    means = [preprocess(frame.image).mean() for frame in source]
    source.close()
    assert len(means) >= 3  # OpenCV's reader may keep the last picture back
    assert all(abs(mean - 90) < 2 for mean in means)


def test_a_film_cut_in_the_middle_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "film.avi"
    write_film(path, np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    source = film(path, every_frame=True)
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
        source = film(path, every_frame=True)
        shapes = [frame.image.shape for frame in source]
        source.close()
    except InputError:
        return
    assert shapes
    assert {shape[2:] for shape in shapes} == {(3,)}
