"""An output on a thread of its own: the pipeline neither waits for it nor ends when it fails."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from edge_runtime.outputs.base import Output
from edge_runtime.results.frame_result import FrameResult
from edge_runtime.results.status import OutputState

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0
JOIN_LIMIT_S = 5.0

log = logging.getLogger(__name__)


class Background:
    """Opens an output, feeds it with the newest frames, and opens it again when it failed.

    The first failure is logged, then nothing until it works again, which is logged too. Attempts are a
    second apart at first and a minute in the end.
    """

    def __init__(
        self,
        name: str,
        open_output: Callable[[], Output],
        *,
        opened: Output | None = None,
        waiting: int = 1,
        interval_s: float = 0.0,
        keep_image: bool = False,
        first_delay_s: float = FIRST_DELAY_S,
    ) -> None:
        """Start the thread.

        Args:
            name: For messages.
            open_output: Opens the output; called on the thread, at once and again after each failure.
            opened: The output, if it is open already.
            waiting: How many frames may wait; the oldest of more is dropped.
            interval_s: Time to leave between two frames.
            keep_image: Whether the output needs the picture.
            first_delay_s: Between the first failure and the next attempt; doubled each time.
        """
        self._name = name
        self._open = open_output
        self._output = opened
        self._waiting: deque[FrameResult] = deque()
        self._limit = waiting
        self._interval_s = interval_s
        self._keep_image = keep_image
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
        """How it fares now."""
        return OutputState(self._name, self._delay_s > 0, self._skipped)

    def publish(self, frame_result: FrameResult) -> None:
        """Hand over one frame; never waits and never fails."""
        kept = frame_result if self._keep_image else frame_result.without_image()
        with self._changed:
            if len(self._waiting) == self._limit:
                self._waiting.popleft()
                self._skipped += 1
            self._waiting.append(kept)
            self._changed.notify()

    def end(self) -> None:
        """Begin to close, without waiting: deliver what waits, unless the output fails, and close it."""
        with self._changed:
            if not self._closing.is_set():
                self._deadline_s = time.monotonic() + JOIN_LIMIT_S
                self._closing.set()
                self._changed.notify()

    def close(self) -> None:
        """End, and wait for it; at most five seconds after the end began."""
        self.end()
        self._thread.join(max(0.0, self._deadline_s - time.monotonic()))

    def _work(self) -> None:
        while (output := self._opened()) is not None and (frame_result := self._take()) is not None:
            self._deliver(output, frame_result)
            self._closing.wait(self._delay_s or self._interval_s)
        self._drop_output()

    def _opened(self) -> Output | None:
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

    def _take(self) -> FrameResult | None:
        """The next frame; None when closing and all is done, or nothing more can be."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            given_up = self._closing.is_set() and self._delay_s > 0
            return self._waiting.popleft() if self._waiting and not given_up else None

    def _deliver(self, output: Output, frame_result: FrameResult) -> None:
        try:
            output.publish(frame_result)
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
