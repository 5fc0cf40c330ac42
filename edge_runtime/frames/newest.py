"""Newest frame wins: a live source read on a thread of its own, into a slot of one."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

from edge_runtime.base.errors import CameraError
from edge_runtime.frames.base import Frame, FrameSource, SparingSource
from edge_runtime.frames.demand import Demand

JOIN_LIMIT_S = 6.0  # a read of OpenCV's may take five seconds before it heeds that it is closed
IDLE_S = 0.5
NICENESS = 5  # behind the network, yet before whatever else was told to be nice


class Newest:
    """Iterates over the newest frame of a live source, dropping those that nobody came for.

    However slow the reader is, it never gets a frame that was overtaken, and nothing queues up. An exception
    of the source is raised again in the reader.
    """

    def __init__(self, source: FrameSource, idle: Callable[[], None] = lambda: None) -> None:
        """Start reading, on a thread of its own.

        Args:
            source: The live source; closed by ``close``.
            idle: Called twice a second while the reader waits for a frame, on the reader's thread.
        """
        self._source = source
        self._limit_s = source.limit_s
        self._idle = idle
        self._changed = threading.Condition()
        self._slot: Frame | None = None
        self._ended = False
        self._error: Exception | None = None
        self._demand = Demand()
        if isinstance(source, SparingSource):
            source.wanted = self._wanted  # before the thread starts, which asks at its first frame
        # A daemon: a driver that hangs for ever in a read must not keep the process from ending.
        self._thread = threading.Thread(target=self._capture, name="capture", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the source ends.

        Raises:
            CameraError: No frame came within the time limit.
            InputError: As raised by the source.
        """
        while (frame := self._take()) is not None:
            yield frame

    def close(self) -> None:
        """Stop reading, close the source, and wait six seconds at most for the thread."""
        # First of all, so that a thread that is just handing over a frame sees that nobody will read it.
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._source.close()
        self._thread.join(JOIN_LIMIT_S)

    def _capture(self) -> None:
        _give_way()
        try:
            for frame in self._source:
                if not self._put(frame):
                    return
        except Exception as error:  # noqa: BLE001  not lost: the reader raises it
            self._error = error  # before the end is told, or a reader could take it for an ordinary one
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _wanted(self) -> bool:
        with self._changed:
            return self._demand.wants()

    def _put(self, frame: Frame) -> bool:
        """Place the newest frame; False once nobody will read it."""
        with self._changed:
            if self._ended:
                return False
            self._slot = frame
            self._changed.notify_all()
        return True

    def _take(self) -> Frame | None:
        with self._changed:
            self._demand.comes()
        deadline_s = time.monotonic() + self._limit_s
        while not self._wait(min(IDLE_S, deadline_s - time.monotonic())):
            if time.monotonic() >= deadline_s:
                raise CameraError(f"no frame came for {self._limit_s:g} s: the source hangs")
            self._idle()
        with self._changed:
            frame, self._slot = self._slot, None
            self._demand.takes()
        if frame is None and self._error is not None:
            raise self._error
        return frame

    def _wait(self, limit_s: float) -> bool:
        """Wait for a frame or the end; whether one of them is there."""
        with self._changed:
            return self._changed.wait_for(lambda: self._slot is not None or self._ended, limit_s)


def _give_way() -> None:
    """Have this thread use the moments in which the network's threads wait for each other.

    They share the work in equal parts, so that one that is held up by a frame holds up all.
    """
    with contextlib.suppress(OSError):  # then it only costs some speed
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
