"""What network streams and USB cameras have in common: they have no end, and may come back when they stop."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import ClassVar

from edge_runtime.base.errors import CameraError
from edge_runtime.frames.base import FRAME_LIMIT_S, Frame
from edge_runtime.frames.capture import OPEN_LIMIT_S, READ_LIMIT_S, Capture

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0

log = logging.getLogger(__name__)


class LiveVideo:
    """Frames as they come; a video that stops is opened again, after delays that double from one to the next.

    Attributes:
        wanted: Asked once for each frame; where it says no, the frame is numbered but not converted.
    """

    live = True
    #: What the user shall check when it does not come back, for the message.
    suspects: ClassVar[str]

    def __init__(self, video: Capture, *, reconnects: int, first_delay_s: float = FIRST_DELAY_S) -> None:
        """Take over a video that is open.

        Args:
            video: The video; closed with the source.
            reconnects: How often to try to open it again when it stopped.
            first_delay_s: Wait before the first of these attempts.
        """
        self._video = video
        self._reconnects = reconnects
        self._first_delay_s = first_delay_s
        self.wanted: Callable[[], bool] = lambda: True
        self._stopped_s: float | None = None
        # We notice by ourselves what hangs, and say more about it: whoever watches us must wait until then.
        self.limit_s = FRAME_LIMIT_S + reconnects * (LONGEST_DELAY_S + OPEN_LIMIT_S + READ_LIMIT_S)

    @property
    def reopening_s(self) -> float:
        """For how many seconds it has been trying to be open again; 0 while it is open."""
        stopped_s = self._stopped_s  # read once: another thread may clear it
        return 0.0 if stopped_s is None else time.monotonic() - stopped_s

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the source is closed. Raises ``CameraError`` when it stopped and did not come back."""
        sequence = 0
        while self._grab():
            taken_ns = time.monotonic_ns()
            if self.wanted() and (image := self._video.retrieve()) is not None:
                yield Frame(image, sequence, taken_ns)
            sequence += 1

    def close(self) -> None:
        """End the iteration and give back the video, waiting for a read in progress."""
        self._video.close()

    def _grab(self) -> bool:
        """Have the next frame ready, in as many attempts as are allowed; False once the source is closed."""
        if self._video.grab():
            return True
        if self._video.is_closed():
            return False
        log.warning("%s stopped delivering frames; trying to open it again", self._video.name)
        self._stopped_s = time.monotonic()
        for attempt in range(self._reconnects):
            if self._video.wait(self._delay_s(attempt)):
                return False
            self._video.reopen()
            if self._video.grab():
                log.warning("%s delivers frames again", self._video.name)
                self._stopped_s = None
                return True
        if self._video.is_closed():
            return False
        raise self._gone()

    def _delay_s(self, attempt: int) -> float:
        # The exponent has a limit: a million attempts may be asked for, and no float holds 2 ** 1024.
        return min(self._first_delay_s * 2.0 ** min(attempt, 32), LONGEST_DELAY_S)

    def _gone(self) -> CameraError:
        tried = f" and did not come back in {self._reconnects} attempts" if self._reconnects else ""
        return CameraError(f"{self._video.name} stopped delivering frames{tried}: check {self.suspects}")
