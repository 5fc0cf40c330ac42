"""A video that OpenCV reads: what films, network streams and USB cameras have in common."""

import os
import threading
from collections.abc import Callable

import cv2
import numpy as np

from edge_runtime.base.errors import InputError
from edge_runtime.base.native_noise import native_silence
from edge_runtime.frames.image_file import decode
from edge_runtime.model.image import Image, as_image

# OpenCV itself waits 30 s for either: a viewer would long have given up, and a watchdog restarted us.
OPEN_LIMIT_S = 10.0
READ_LIMIT_S = 5.0
AS_SENT = -1  # of CAP_PROP_FORMAT: OpenCV hands on what came, and decodes nothing
MJPEG_CODECS = frozenset({b"MJPG", b"mjpe"})  # by the tag that came with it, or by FFmpeg's name for it

# FFmpeg writes its own complaints to stderr; the user gets our one line instead.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class Capture:
    """A video while it is open: read on one thread, closed from any, and opened again where that helps.

    Attributes:
        name: What messages call it.
    """

    def __init__(self, open_video: Callable[[], cv2.VideoCapture], name: str) -> None:
        """Open the video; ``is_open`` says whether that worked.

        Args:
            open_video: Opens the video, now and for ``reopen``; returns a closed reader where it cannot.
            name: What messages call it.
        """
        self.name = name
        self._open = open_video
        self._closed = threading.Event()
        # To release OpenCV's reader while another thread reads from it may crash the process.
        self._reading = threading.Lock()
        self._video = open_video()

    def is_open(self) -> bool:
        """Whether the video was opened, and not given back since."""
        return self._video.isOpened()

    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed.is_set()

    @property
    def announced_frames(self) -> int:
        """How many frames the video says it has; 0 where it does not say, as a stream that has no end."""
        return max(0, int(self._video.get(cv2.CAP_PROP_FRAME_COUNT)))

    @property
    def rate_hz(self) -> float:
        """Frames a second that the video says it has; 0 or nonsense where it does not know."""
        return float(self._video.get(cv2.CAP_PROP_FPS))

    def grab(self) -> bool:
        """Have the next frame ready; False when none comes, and once the video is closed."""
        with self._reading:
            return not self.is_closed() and self._video.grab()

    def retrieve(self) -> Image | None:
        """Convert the frame that is ready, and with many USB cameras decompress it: the costly part.

        Returns:
            (H, W, 3) uint8, blue, green, red; None for a frame that is damaged.
        """
        with self._reading, native_silence():  # USB cameras send JPEGs that libjpeg complains of
            done, image = self._video.retrieve()
            as_sent = done and self._video.get(cv2.CAP_PROP_FORMAT) == AS_SENT
        if not as_sent:
            return as_image(image) if done else None
        try:
            return decode(np.asarray(image, np.uint8).reshape(-1), self.name)
        except InputError:
            return None

    def wait(self, seconds: float) -> bool:
        """Let time pass; returns True, and at once, when the video is closed meanwhile."""
        return self._closed.wait(seconds)

    def reopen(self) -> None:
        """Give the video back and open it anew; that it failed shows in the next ``grab``."""
        with self._reading:
            self._video.release()
        video = (
            self._open()
        )  # may take its whole time limit: without the lock, so that nobody waits in close()
        with self._reading:
            if self.is_closed():
                video.release()
            else:
                self._video = video

    def close(self) -> None:
        """End the reading and give the video back, once a read in progress is over; safe to call twice."""
        self._closed.set()
        with self._reading:
            self._video.release()


def ffmpeg_video(
    location: str, open_limit_s: float = OPEN_LIMIT_S, read_limit_s: float = READ_LIMIT_S
) -> cv2.VideoCapture:
    """Open a file or an address by FFmpeg, which keeps to time limits.

    Args:
        location: A file name, or a URL such as ``rtsp://...``.
        open_limit_s: How long to wait for an answer.
        read_limit_s: How long to wait for a frame.
    """
    limits = {
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: open_limit_s,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC: read_limit_s,
    }
    settings = [number for name, seconds in limits.items() for number in (name, round(seconds * 1000))]
    return cv2.VideoCapture(location, cv2.CAP_FFMPEG, settings)


def as_pictures(video: cv2.VideoCapture) -> cv2.VideoCapture:
    """Have what is one JPEG after another hand them on as they came, so that each is decoded in its own size.

    OpenCV's reader brings all frames to the size of the first, and does not say so.

    Args:
        video: Just opened.

    Returns:
        The same; as it was where it is no such stream, or one that says how many frames it has.
    """
    codec = (int(video.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF).to_bytes(4, "little")
    endless = video.get(cv2.CAP_PROP_FRAME_COUNT) <= 0
    if video.isOpened() and endless and codec in MJPEG_CODECS:
        video.set(cv2.CAP_PROP_FORMAT, AS_SENT)
    return video
