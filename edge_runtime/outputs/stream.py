"""Pictures for many viewers: each encoded once, only the newest, and only while somebody waits for one."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_runtime.results.frame_result import FrameResult

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Picture:
    """An encoded frame.

    Attributes:
        number: Rises from one picture to the next; 0 is none yet.
        data: As ``encode`` made it.
        shown: The frame that it shows, without the frame's own picture; None before the first.
    """

    number: int
    data: bytes
    shown: FrameResult | None = field(default=None, compare=False)


NOTHING = Picture(0, b"")


class PictureStream:
    """Encodes the newest frame on a thread of its own when a viewer waits; a slow viewer misses some."""

    def __init__(self, encode: Callable[[FrameResult], bytes]) -> None:
        self._encode = encode
        self._changed = threading.Condition()
        self._newest: FrameResult | None = None
        self._offered = 0
        self._viewers = 0
        self._picture = NOTHING
        self._ended = False
        self._complained = False
        self._thread = threading.Thread(target=self._work, name="web-encoder", daemon=True)
        self._thread.start()

    def offer(self, frame_result: FrameResult) -> None:
        """Take the newest frame; costs next to nothing while nobody watches."""
        with self._changed:
            self._newest = frame_result
            self._offered += 1
            if self._viewers:
                self._changed.notify_all()

    def after(self, number: int, limit_s: float) -> Picture | None:
        """Wait for a picture later than ``number`` and not older than this call.

        Args:
            number: Of the picture that the viewer had last; 0 for none.
            limit_s: How long to wait.

        Returns:
            The picture, or None when none came in time or the stream ended.
        """
        with self._changed:
            wanted = max(number + 1, self._offered)
            self._viewers += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: self._picture.number >= wanted or self._ended, limit_s)
            finally:
                self._viewers -= 1
            return self._picture if self._picture.number >= wanted and not self._ended else None

    @property
    def ended(self) -> bool:
        """Whether no more pictures will come."""
        return self._ended

    def close(self) -> None:
        """End the stream for all viewers, and its thread."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(2.0)

    def _work(self) -> None:
        while (job := self._take()) is not None:
            number, frame_result = job
            try:
                data = self._encode(frame_result)
            except Exception as error:  # noqa: BLE001  one odd frame must not end the stream
                self._complain(error)
                continue
            with self._changed:
                self._picture = Picture(number, data, frame_result.without_image())
                self._changed.notify_all()

    def _take(self) -> tuple[int, FrameResult] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or (self._viewers and self._newest is not None))
            frame_result, self._newest = self._newest, None
            return None if self._ended or frame_result is None else (self._offered, frame_result)

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            self._complained = True
            log.warning("web: a frame cannot be shown: %s", error)
