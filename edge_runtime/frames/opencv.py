"""Video through OpenCV: files, network streams and USB cameras."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from edge_runtime.errors import CameraError, InputError
from edge_runtime.frames.base import Frame
from edge_runtime.preprocess import Image

OPEN_LIMIT_S = 10
READ_LIMIT_S = 5

# FFmpeg writes its own complaints to stderr; the user gets our one line instead.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class OpenCVSource:
    """A video file, a network stream or a USB camera.

    A file is played at its own rate unless ``every_frame``; a stream and a camera come at theirs.
    """

    def __init__(self, location: str, *, every_frame: bool = False) -> None:
        """Open it.

        Args:
            location: A file name, a URL such as ``rtsp://...``, or a device such as ``/dev/video0``.
            every_frame: Hand out each frame of a file as fast as it is asked for, dropping none.

        Raises:
            InputError: It is missing, not a video, or the stream does not answer.
            CameraError: The device does not open.
        """
        self._location = location
        self._is_device = location.startswith("/dev/")
        self._is_file = not self._is_device and "://" not in location
        self.live = not (self._is_file and every_frame)
        self._closed = threading.Event()
        self._reading = threading.Lock()
        self._capture = _open(location, device=self._is_device)
        if not self._capture.isOpened():
            raise self._cannot_open()

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the video ends.

        Raises:
            InputError: A file without a single readable frame, or a stream that ended.
            CameraError: The device stopped.
        """
        interval_s = self._interval_s()
        start = time.monotonic()
        sequence = 0
        while (image := self._read()) is not None:
            wait_s = start + sequence * interval_s - time.monotonic()
            if wait_s > 0 and self._closed.wait(wait_s):
                return
            yield Frame(image, sequence, time.monotonic_ns())
            sequence += 1
        self._check_end(sequence)

    def close(self) -> None:
        """End the iteration and release the video, waiting for a read in progress."""
        self._closed.set()
        with self._reading:
            self._capture.release()

    def _read(self) -> Image | None:
        with self._reading:
            if self._closed.is_set():
                return None
            done, image = self._capture.read()
        return image if done else None  # type: ignore[return-value]

    def _interval_s(self) -> float:
        """Seconds between frames to keep to: the file's own rate, or none where the source sets the pace."""
        rate_hz = self._capture.get(cv2.CAP_PROP_FPS)
        paced = self._is_file and self.live and 0 < rate_hz < 1000
        return 1 / rate_hz if paced else 0.0

    def _check_end(self, frames: int) -> None:
        if self._closed.is_set():
            return
        if self._is_device:
            raise CameraError(f"{self._location} stopped delivering frames: check its cable and power")
        if not self._is_file:
            raise InputError(f"the stream {self._location} ended or stopped answering")
        if frames == 0:
            raise InputError(f"{self._location} holds no frame that can be read")

    def _cannot_open(self) -> Exception:
        if self._is_device:
            return CameraError(
                f"cannot open {self._location}: is it plugged in, free, and are you in group video?"
            )
        if not self._is_file:
            return InputError(f"cannot open the stream {self._location}: check the address and the network")
        if Path(self._location).stat().st_size == 0:
            return InputError(f"{self._location} is empty")
        return InputError(f"{self._location} is not a video or picture that OpenCV can read, or is cut short")


def _open(location: str, *, device: bool) -> cv2.VideoCapture:
    if device:
        return cv2.VideoCapture(location, cv2.CAP_V4L2)
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        OPEN_LIMIT_S * 1000,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        READ_LIMIT_S * 1000,
    ]
    return cv2.VideoCapture(location, cv2.CAP_FFMPEG, limits)
