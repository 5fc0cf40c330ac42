"""A video that is opened again, and closed while that happens; a film takes the place of a camera."""

from pathlib import Path

import cv2

from edge_runtime.frames.capture import Capture, ffmpeg_video


class Opener:
    """Opens a film again and again, keeps what it opened, and does ``meanwhile`` before it returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.opened: list[cv2.VideoCapture] = []
        self.open_before: list[bool] = []
        self.meanwhile = lambda: None

    def __call__(self) -> cv2.VideoCapture:
        self.open_before = [video.isOpened() for video in self.opened]
        self.opened.append(ffmpeg_video(str(self._path)))
        self.meanwhile()
        return self.opened[-1]


def test_a_video_is_given_back_before_it_is_opened_again(video: Path) -> None:
    opener = Opener(video)
    capture = Capture(opener, "camera")
    assert capture.is_open()
    assert capture.grab()
    capture.reopen()
    assert opener.open_before == [False]  # a camera serves one program, which may not be two of us
    assert capture.grab()
    image = capture.retrieve()
    assert image is not None
    assert image.mean() < 10  # the film began anew: its first frame is black
    capture.close()
    capture.close()
    assert [video.isOpened() for video in opener.opened] == [False, False]


def test_a_video_that_is_closed_while_it_is_opened_again_is_not_left_open(video: Path) -> None:
    opener = Opener(video)
    capture = Capture(opener, "camera")
    opener.meanwhile = capture.close  # would wait for ever, if opening held what closing needs
    capture.reopen()
    assert [video.isOpened() for video in opener.opened] == [False, False]
    assert capture.is_closed()
    assert not capture.grab()
    assert capture.retrieve() is None


def test_what_does_not_open_is_not_open(tmp_path: Path) -> None:
    capture = Capture(Opener(tmp_path / "missing"), "camera")
    assert not capture.is_open()
    assert not capture.grab()
    assert capture.announced_frames == 0
    assert capture.rate_hz <= 0  # 0 of OpenCV 4, -1 of OpenCV 5
