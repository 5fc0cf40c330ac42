"""An output on a thread of its own: the pipeline neither waits for it nor ends when it fails.

``FrameBackground`` and ``PictureBackground`` hand frames to their output; ``StatusBackground`` asks how the
run stands when its output is to be told. What they share is ``Background``: opening, trying again, closing.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from edge_runtime.outputs.base import Output
from edge_runtime.results.frame_result import FrameResult
from edge_runtime.results.status import OutputState, Status

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
JOIN_LIMIT_S = 5.0

News = TypeVar("News")

log = logging.getLogger(__name__)


class Background(Generic[News]):
    """Opens an output, hands it the newest there is, and opens it again when it failed.

    The first failure is logged, then nothing until it works again, which is logged too. Attempts are a
    second apart at first and a minute in the end.
    """

    def __init__(
        self,
        name: str,
        open_output: Callable[[], Output[News]],
        *,
        opened: Output[News] | None = None,
        waiting: int = 1,
        interval_s: float = 0.0,
        first_delay_s: float = FIRST_DELAY_S,
    ) -> None:
        """Start the thread.

        Args:
            name: For messages.
            open_output: Opens the output; called on the thread, at once and again after each failure.
            opened: The output, if it is open already.
            waiting: How much news may wait; the oldest of more is dropped.
            interval_s: Time to leave between two deliveries.
            first_delay_s: Between the first failure and the next attempt; doubled each time.
        """
        self._name = name
        self._open = open_output
        self._output = opened
        self._waiting: deque[Callable[[], News]] = deque()
        self._limit = waiting
        self._interval_s = interval_s
        self._first_delay_s = first_delay_s
        self._delay_s = 0.0
        self._skipped = 0
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._deadline_s = 0.0
        # A daemon: an output that hangs for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"output-{name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> OutputState:
        """How the output fares now."""
        return OutputState(self._name, self._delay_s > 0, self._skipped)

    def end(self) -> None:
        """Begin to close, without waiting: deliver what waits, unless the output fails, and close it."""
        with self._changed:
            if not self._closing.is_set():
                self._deadline_s = time.monotonic() + JOIN_LIMIT_S
                self._closing.set()
                self._changed.notify()

    def close(self) -> None:
        """End the output, and wait until it is closed; at most five seconds from when the end began."""
        self.end()
        self._thread.join(max(0.0, self._deadline_s - time.monotonic()))

    def _offer(self, news: Callable[[], News]) -> None:
        """Have something delivered; never waits and never fails. ``news`` is called when its turn comes."""
        with self._changed:
            if len(self._waiting) == self._limit:
                self._waiting.popleft()
                self._skipped += 1
            self._waiting.append(news)
            self._changed.notify()

    def _work(self) -> None:
        while (output := self._opened()) is not None and (news := self._take()) is not None:
            self._deliver(output, news)
            self._closing.wait(self._delay_s or self._interval_s)  # either ends at once when we close
        self._drop_output()

    def _opened(self) -> Output[News] | None:
        """The output, opened in as many attempts as it takes; None when it fails and we are closing."""
        while self._output is None:
            if self._closing.is_set() and self._delay_s > 0:
                return None
            try:
                self._output = self._open()
            except Exception as error:  # noqa: BLE001  whatever fails here must not stop the pipeline
                self._failed(error)
                self._closing.wait(self._delay_s)
        return self._output

    def _take(self) -> Callable[[], News] | None:
        """What is to be delivered next; None when closing and all is done, or nothing more can be."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            given_up = self._closing.is_set() and self._delay_s > 0
            return self._waiting.popleft() if self._waiting and not given_up else None

    def _deliver(self, output: Output[News], news: Callable[[], News]) -> None:
        try:
            output.publish(news())
        except Exception as error:  # noqa: BLE001  whatever fails here must not stop the pipeline
            self._skipped += 1
            self._failed(error)
        else:
            self._worked()

    def _failed(self, error: Exception) -> None:
        if self._delay_s == 0:
            log.warning("%s: %s; trying again until it works", self._name, " ".join(str(error).split()))
        self._delay_s = min(2 * self._delay_s or self._first_delay_s, LONGEST_DELAY_S)
        self._drop_output()

    def _worked(self) -> None:
        if self._delay_s > 0:
            self._delay_s = 0.0
            log.warning("%s works again", self._name)

    def _drop_output(self) -> None:
        output, self._output = self._output, None
        try:
            if output is not None:
                output.close()
        except Exception as error:  # noqa: BLE001  it failed already, or we are ending
            log.debug("%s: closing: %s", self._name, error)


class FrameBackground(Background[FrameResult]):
    """An output of frames on a thread of its own, without their pictures, which it would hold for nothing."""

    def publish(self, frame_result: FrameResult) -> None:
        """Hand a frame over to the output's thread; never waits and never fails."""
        kept = frame_result.without_image()
        self._offer(lambda: kept)


class PictureBackground(Background[FrameResult]):
    """An output of frames on a thread of its own that shows their pictures."""

    def publish(self, frame_result: FrameResult) -> None:
        """Hand a frame over to the output's thread; never waits and never fails."""
        self._offer(lambda: frame_result)


class StatusBackground(Background[Status]):
    """An output on a thread of its own that is told how the run stands."""

    def refresh(self, status: Callable[[], Status]) -> None:
        """Say that the run has gone on by a frame; never waits and never fails.

        Args:
            status: Says how the run stands; called on the thread, just before the output is told.
        """
        self._offer(status)
