import logging
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.base.errors import CameraError
from edge_runtime.frames.live_video import LONGEST_DELAY_S
from edge_runtime.frames.stream import StreamSource, open_address
from tests.edge_runtime.frames.web_cameras import (
    PICTURES,
    ChangingCamera,
    NetworkCamera,
    folder_server,
    serving,
)


@pytest.fixture
def camera() -> Iterator[Any]:
    with serving(NetworkCamera) as server:
        yield server


def stream(camera: Any, reconnects: int, first_delay_s: float = 0.01) -> StreamSource:
    return StreamSource(open_address(camera.address), reconnects=reconnects, first_delay_s=first_delay_s)


def test_no_message_tells_the_password_of_a_stream() -> None:
    with pytest.raises(CameraError) as caught:
        open_address("rtsp://user:pa:ss@127.0.0.1:9/x")
    assert "rtsp://user:...@127.0.0.1:9/x" in str(caught.value)


def test_a_stream_that_does_not_answer_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (
        serving(folder_server(tmp_path)) as server,
        pytest.raises(CameraError, match="cannot open the stream"),
    ):
        open_address(f"{server.address}/nothing.mp4")  # type: ignore[attr-defined]
    assert capfd.readouterr().err == ""


def test_a_stream_that_ends_is_opened_again(camera: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    source = stream(camera, reconnects=2)
    frames = [frame for frame, _ in zip(source, range(25), strict=False)]
    source.close()
    assert source.live
    assert [frame.sequence for frame in frames] == list(range(25))
    assert camera.visitors >= 3
    assert "delivers frames again" in caplog.text


def test_frames_that_nobody_wants_are_numbered_and_not_handed_out(camera: Any) -> None:
    source = stream(camera, reconnects=9)
    answers = cycle([True, False, False])
    source.wanted = lambda: next(answers)
    assert [frame.sequence for frame, _ in zip(source, range(4), strict=False)] == [0, 3, 6, 9]
    source.close()


def test_an_attempt_that_brings_frames_is_followed_by_a_fresh_set_of_attempts(camera: Any) -> None:
    source = stream(camera, reconnects=1)
    assert len([frame for frame, _ in zip(source, range(40), strict=False)]) == 40
    source.close()


def test_it_says_for_how_long_it_has_been_trying_to_be_open_again(
    camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = open_address(camera.address)
    source = StreamSource(video, reconnects=2, first_delay_s=0.01)
    tried_s: list[float] = []
    reopen = video.reopen

    def try_it() -> None:
        tried_s.append(source.reopening_s)
        if len(tried_s) > 1:
            reopen()

    monkeypatch.setattr(video, "reopen", try_it)
    frames = iter(source)
    for _ in range(PICTURES):
        next(frames)
    assert source.reopening_s == 0
    next(frames)
    assert 0 < tried_s[0] < tried_s[1]
    assert source.reopening_s == 0
    source.close()


def test_without_attempts_a_stream_that_ends_is_an_error(camera: Any) -> None:
    source = stream(camera, reconnects=0)
    with pytest.raises(CameraError, match="stopped delivering frames: check the camera and the network"):
        list(source)
    source.close()


def test_the_waits_between_attempts_double_up_to_half_a_minute(
    camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = open_address(camera.address)
    waits_s: list[float] = []
    monkeypatch.setattr(video, "wait", waits_s.append)
    monkeypatch.setattr(video, "reopen", lambda: None)
    source = StreamSource(video, reconnects=2000, first_delay_s=0.5)
    with pytest.raises(CameraError, match="in 2000 attempts"):
        list(source)
    source.close()
    assert waits_s[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert set(waits_s[8:]) == {LONGEST_DELAY_S}
    assert source.limit_s > sum(waits_s)  # whoever watches the source lets it try to the end


def test_a_stream_that_is_closed_ends_without_a_complaint(
    camera: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = stream(camera, reconnects=0)
    for frame in source:
        if frame.sequence == 2:
            source.close()
    assert frame.sequence == 2
    assert caplog.records == []


def test_a_stream_that_is_closed_during_the_last_attempt_ends_without_an_error(
    camera: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = open_address(camera.address)
    source = StreamSource(video, reconnects=1, first_delay_s=0.01)
    monkeypatch.setattr(video, "reopen", source.close)
    assert [frame.sequence for frame in source] == list(range(PICTURES))


def test_streams_do_not_collect_file_descriptors(camera: Any) -> None:
    source = stream(camera, reconnects=5)
    frames = iter(source)
    counts = []
    for _ in range(4):
        for _ in range(10):
            next(frames)
        time.sleep(0.05)
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    source.close()
    assert max(counts[1:]) - min(counts[1:]) <= 2


def test_pictures_of_another_size_come_in_that_size() -> None:
    """So boxes lie in the pixels of the picture that they are found in."""
    with serving(ChangingCamera) as server:
        source = StreamSource(open_address(server.address), reconnects=0)  # type: ignore[attr-defined]
        shapes = [frame.image.shape for _, frame in zip(ChangingCamera.sizes[1:], source, strict=False)]
        source.close()
    assert shapes == [(*size, 3) for size in ChangingCamera.sizes[: len(shapes)]]
    assert len(set(shapes)) == 3
