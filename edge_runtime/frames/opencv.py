"""Video through OpenCV: files, network streams and USB cameras."""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2

from edge_runtime.base.errors import CameraError, InputError
from edge_runtime.frames.base import FRAME_LIMIT_S, Frame
from edge_runtime.machine.board import ROOT
from edge_runtime.machine.cameras import camera_holders
from edge_runtime.model.image import Image

OPEN_LIMIT_S = 10
READ_LIMIT_S = 5
RECONNECTS = 5
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
CUT_SHORT = 0.9  # of the frames a file announces; some containers only estimate their number

# FFmpeg writes its own complaints to stderr; the user gets our one line instead.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

log = logging.getLogger(__name__)


class OpenCVSource:
    """A video file, a network stream or a USB camera.

    A file, here or behind a URL, is played at its own rate unless ``every_frame``; a stream and a camera come
    at theirs. A stream or a camera that stops is opened again, after growing delays.
    """

    def __init__(
        self,
        location: str,
        *,
        every_frame: bool = False,
        reconnects: int = RECONNECTS,
        first_delay_s: float = FIRST_DELAY_S,
        root: Path = ROOT,
    ) -> None:
        """Open it.

        Args:
            location: A file name, a URL such as ``rtsp://...``, or a device such as ``/dev/video0``.
            every_frame: Hand out each frame of a file as fast as it is asked for, dropping none.
            reconnects: How often to try to open a stream or camera again that stopped.
            first_delay_s: Wait before the first of these attempts; it doubles from one to the next.
            root: Where the file system begins that tells who holds a camera.

        Raises:
            InputError: The file is not a video.
            CameraError: The device or the stream does not open.
        """
        self._location = location
        self._shown = re.sub(r"(://[^/@:]*):[^/]*@", r"\1:...@", location)  # no password in messages and logs
        self._is_device = location.startswith("/dev/")
        self._reconnects = reconnects
        self._first_delay_s = first_delay_s
        self.wanted: Callable[[], bool] = lambda: True
        self._closed = threading.Event()
        self._reading = threading.Lock()
        self._capture = _open(location, device=self._is_device)
        if not self._capture.isOpened():
            raise self._cannot_open(root)
        self._announced = 0 if self._is_device else max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._is_film = self._announced > 0 or not (self._is_device or "://" in location)
        self.live = not (self._is_film and every_frame)
        self._interval_s = self._own_interval_s()
        self.limit_s = self._longest_silence_s()

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the film ends or the source is closed.

        Raises:
            InputError: A file without a single readable frame.
            CameraError: The stream or the camera stopped, and did not come back.
        """
        sequence = readable = 0
        start_ns = 0
        while self._grab() if self._is_film else self._grab_patiently():
            wait_s = self._interval_s * sequence - (time.monotonic_ns() - start_ns) / 1e9
            if wait_s > 0 and self._closed.wait(wait_s):
                return
            now_ns = time.monotonic_ns()
            start_ns = start_ns or now_ns
            if self.wanted() and (image := self._retrieve()) is not None:
                readable += 1
                yield Frame(image, sequence, now_ns)
            sequence += 1
        if not self._closed.is_set():
            self._check_end(sequence if readable else 0)

    def close(self) -> None:
        """End the iteration and release the video, waiting for a read in progress."""
        self._closed.set()
        with self._reading:
            self._capture.release()

    def _grab(self) -> bool:
        """Have the next frame ready; False at the end and once the source is closed."""
        with self._reading:
            return not self._closed.is_set() and self._capture.grab()

    def _retrieve(self) -> Image | None:
        """Convert it, and with many USB cameras decompress it: the costly part."""
        with self._reading:
            done, image = self._capture.retrieve()
        return image if done else None  # type: ignore[return-value]

    def _grab_patiently(self) -> bool:
        """Likewise, from a connection made anew if need be."""
        if self._grab():
            return True
        if self._closed.is_set():
            return False
        log.warning("%s stopped delivering frames; trying to open it again", self._shown)
        for attempt in range(self._reconnects):
            if self._closed.wait(min(self._first_delay_s * 2 ** min(attempt, 32), LONGEST_DELAY_S)):
                return False
            self._reopen()
            if self._grab():
                log.warning("%s delivers frames again", self._shown)
                return True
        if self._closed.is_set():
            return False
        raise CameraError(self._complaint())

    def _reopen(self) -> None:
        """Open it again, without holding up ``close`` meanwhile."""
        with self._reading:
            self._capture.release()
        capture = _open(self._location, device=self._is_device)
        with self._reading:
            if self._closed.is_set():
                capture.release()
            else:
                self._capture = capture

    def _own_interval_s(self) -> float:
        """Seconds between frames to keep to: the film's own rate, or none where the source sets the pace."""
        rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS))
        paced = self._is_film and self.live and 0 < rate_hz < 1000
        return 1 / rate_hz if paced else 0.0

    def _longest_silence_s(self) -> float:
        if self._is_film:
            return max(FRAME_LIMIT_S, 3 * self._interval_s)
        return FRAME_LIMIT_S + self._reconnects * (LONGEST_DELAY_S + OPEN_LIMIT_S + READ_LIMIT_S)

    def _check_end(self, frames: int) -> None:
        if frames == 0:
            raise InputError(f"{self._shown} holds no frame that can be read")
        if frames < CUT_SHORT * self._announced:
            log.warning(
                "%s ended after %d of its %d frames: damaged or cut short",
                self._shown,
                frames,
                self._announced,
            )

    def _complaint(self) -> str:
        tried = f" and did not come back in {self._reconnects} attempts" if self._reconnects else ""
        check = "its cable and power" if self._is_device else "the camera and the network"
        return f"{self._shown} stopped delivering frames{tried}: check {check}"

    def _cannot_open(self, root: Path) -> Exception:
        if self._is_device:
            held = [holder for holder in camera_holders(root) if holder.device == self._location]
            reason = held[0].complaint() if held else "is it plugged in, free, and are you in group video?"
            return CameraError(f"cannot open {self._location}: {reason}")
        if "://" in self._location:
            return CameraError(f"cannot open the stream {self._shown}: check the address and the network")
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
