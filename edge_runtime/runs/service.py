"""``pi-infer service``: the pipeline under systemd.

Its outputs are open from the start. It is ready when the first frame is finished, and alive as long as frames
are: a source or a network that hangs lets the watchdog run out, and systemd restarts the service. A source
that is being opened again has five minutes for it.
"""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from edge_runtime.base.errors import InUseError, PiInferError
from edge_runtime.base.hangup import Reopening, hangups_reopen
from edge_runtime.base.names import readable
from edge_runtime.base.notify import Notifier
from edge_runtime.base.pace import Pace
from edge_runtime.base.termination import signals_raise
from edge_runtime.outputs.select import Outputs
from edge_runtime.pipeline import Pipeline
from edge_runtime.results.status import StatusSource
from edge_runtime.results.summary import RunSummary
from edge_runtime.runs.model import open_model
from edge_runtime.settings.config import Config

#: For so long the watchdog is kept quiet while a source that stopped is being opened again. Then systemd
#: restarts the service, which also helps where it is the opening that hangs.
REOPENING_LIMIT_S = 300.0


class _Terminated(BaseException):
    """SIGTERM came, or the terminal went; raised where the main thread stands, as KeyboardInterrupt is."""


def run(config: Config, *, log: Callable[[str], None]) -> int:
    """Run until SIGTERM or the end of the source.

    Args:
        config: What to run on what, how often to log, and where the results go.
        log: Takes each line for the log.

    Returns:
        The exit code 0.

    Raises:
        PiInferError: As the parts of the pipeline raise it; systemd restarts the service, also where another
            run has what only one may have, for that run may end.
    """
    notifier, reopening = Notifier(), Reopening()
    try:
        with signals_raise(_Terminated, signal.SIGTERM), hangups_reopen(reopening, _Terminated):
            _serve(config, notifier, log, reopening)
    except InUseError as error:
        raise PiInferError(str(error)) from error  # not its own exit code, which systemd takes for final
    except _Terminated:
        log("ending on SIGTERM")
    finally:
        notifier.stopping()
    return 0


def _serve(config: Config, notifier: Notifier, log: Callable[[str], None], reopening: Reopening) -> None:
    pace = Pace(config.service.log_seconds * 10**9)
    with ExitStack() as stack:
        model = open_model(config, log)
        summary = RunSummary(model.class_names)
        status = StatusSource(readable(model.network.path.name), summary)
        outputs = stack.enter_context(
            Outputs(status, unattended=True, complete=False, announce=log, reopening=reopening)
        )
        outputs.open_here(config)  # the page shall answer while a stream is being connected
        notifier.status(summary.line())
        pipeline = stack.enter_context(Pipeline.open(model, config.source, config.picamera))
        # Not before: one restart after another would tell everybody of our coming and going.
        outputs.open_broker(config)
        pipeline.idle = partial(tell_of_reopening, pipeline, notifier)
        for frame_result in pipeline:
            summary.add(frame_result)
            outputs.publish(frame_result)
            due = pace.due(frame_result.finished_ns)  # also at the first frame, which has a line of its own
            if summary.rate.frames == 1:
                log(f"ready with {model.network.path}")
                notifier.ready(summary.line())
            elif due:
                log(summary.totals())
                notifier.status(summary.line())
            notifier.alive()


def tell_of_reopening(pipeline: Pipeline, notifier: Notifier) -> None:
    """Keep the watchdog quiet while a source that stopped is being opened again, for five minutes at most."""
    if 0 < pipeline.reopening_s <= REOPENING_LIMIT_S:
        notifier.alive()
        notifier.status(f"the source stopped {pipeline.reopening_s:.0f} s ago and is being opened again")
