"""A film: a video with an end, in a file here or behind an address."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import name_in_utf8
from edge_runtime.base.names import readable
from edge_runtime.frames.base import FRAME_LIMIT_S, Frame
from edge_runtime.frames.capture import Capture, as_pictures, ffmpeg_video

CUT_SHORT = 0.9  # of the frames a film announces; some containers only estimate their number
HIGHEST_RATE_HZ = 1000.0  # containers without a rate say 0, or the clock of their time stamps, such as 90000

log = logging.getLogger(__name__)


def open_file(location: str) -> Capture:
    """Open a film in a file that can be read.

    Args:
        location: Its name.

    Raises:
        InputError: It is empty, or no video.
    """
    with name_in_utf8(Path(location)) as name:
        video = Capture(lambda: as_pictures(ffmpeg_video(name)), readable(location))
    if video.is_open():
        return video
    if Path(location).stat().st_size == 0:
        raise InputError(f"{location} is empty")
    raise InputError(f"{location} is not a video or picture that OpenCV can read, or is cut short")


class VideoFileSource:
    """The frames of a film, at its own rate as if a camera took them, or each as fast as it is asked for.

    Attributes:
        live: Whether it plays at its own rate, so that a slow network misses frames.
        wanted: Asked once for each frame; where it says no, the frame is numbered but not handed out.
    """

    def __init__(self, video: Capture, *, every_frame: bool = False) -> None:
        """Take over a film that is open.

        Args:
            video: The film; closed with the source.
            every_frame: Hand out each frame as fast as it is asked for, dropping none.
        """
        self._video = video
        self._announced = video.announced_frames
        self.live = not every_frame
        self.wanted: Callable[[], bool] = lambda: True
        paced = self.live and 0 < video.rate_hz < HIGHEST_RATE_HZ
        self._interval_s = 1 / video.rate_hz if paced else 0.0
        # A film of one frame in ten seconds, as time-lapse cameras write, does not hang.
        self.limit_s = max(FRAME_LIMIT_S, 3 * self._interval_s)

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the film ends or the source is closed. Raises ``InputError`` if none can be read."""
        sequence = readable = 0
        start_ns: int | None = None
        while self._video.grab():
            now_ns = time.monotonic_ns()
            start_ns = now_ns if start_ns is None else start_ns
            # Each frame is due by its distance from the first, so that no delay adds up to the next.
            wait_s = self._interval_s * sequence - (now_ns - start_ns) / 1e9
            if wait_s > 0 and self._video.wait(wait_s):
                return
            taken_ns = time.monotonic_ns()
            if self.wanted() and (image := self._video.retrieve()) is not None:
                readable += 1
                yield Frame(image, sequence, taken_ns)
            sequence += 1
        if not self._video.is_closed():
            self._check_end(sequence if readable else 0)

    def close(self) -> None:
        """End the iteration and give back the file, waiting for a read in progress."""
        self._video.close()

    def _check_end(self, frames: int) -> None:
        """Complain of a film that ended too soon: FFmpeg takes damage for the end, and does not say so."""
        if frames == 0:
            raise InputError(f"{self._video.name} holds no frame that can be read")
        if frames < CUT_SHORT * self._announced:
            log.warning(
                "%s ended after %d of its %d frames: damaged or cut short",
                self._video.name,
                frames,
                self._announced,
            )
