"""``pi-infer service``: the pipeline under systemd.

Ready when the first frame is finished, alive as long as frames are: a source or a network that hangs lets the
watchdog run out, and systemd restarts the service.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from edge_runtime.notify import Notifier
from edge_runtime.pipeline import RunSettings, open_pipeline
from edge_runtime.summary import RunSummary


class _Terminated(BaseException):
    """SIGTERM came; raised where the main thread stands, as KeyboardInterrupt is."""


def run(settings: RunSettings, *, log_seconds: int, log: Callable[[str], None]) -> int:
    """Run until SIGTERM or the end of the source.

    Args:
        settings: What to run on what.
        log_seconds: Time between lines in the log.
        log: Takes each line for the log.

    Returns:
        The exit code 0.

    Raises:
        PiInferError: As the parts of the pipeline raise it; systemd restarts the service.
    """
    notifier = Notifier()
    try:
        with _raising_on_sigterm():
            _serve(settings, notifier, log_seconds, log)
    except _Terminated:
        log("ending on SIGTERM")
    finally:
        notifier.stopping()
    return 0


def _serve(settings: RunSettings, notifier: Notifier, log_seconds: int, log: Callable[[str], None]) -> None:
    with open_pipeline(settings) as pipeline:
        summary = RunSummary(frozenset((pipeline.card.labels or {}).values()))
        due_ns = 0
        for frame_result in pipeline:
            summary.add(frame_result)
            if summary.rate.frames == 1:
                log(f"ready with {pipeline.network.path}")
                notifier.ready(summary.line())
                due_ns = frame_result.finished_ns + log_seconds * 10**9
            notifier.alive()
            if frame_result.finished_ns >= due_ns:
                due_ns += log_seconds * 10**9
                log(summary.totals())
                notifier.status(summary.line())


@contextmanager
def _raising_on_sigterm() -> Iterator[None]:
    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
