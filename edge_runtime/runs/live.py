"""``pi-infer --camera`` and ``--source``: the pipeline, seen on a terminal or in plain lines."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import islice

from edge_runtime.base.hangup import Reopening, hangups_reopen
from edge_runtime.base.names import readable
from edge_runtime.base.pace import Pace
from edge_runtime.base.termination import ended_like_interrupted
from edge_runtime.frames.folder import FolderSource
from edge_runtime.outputs.jsonl import STANDARD_OUTPUT
from edge_runtime.outputs.select import Outputs
from edge_runtime.pipeline import Pipeline
from edge_runtime.results.status import StatusSource
from edge_runtime.results.summary import RunSummary
from edge_runtime.runs.model import open_model
from edge_runtime.settings.config import Config

LINE_INTERVAL_NS = 500_000_000  # a line that changes more often cannot be read

#: Makes the view that is open while the pipeline runs.
Panel = Callable[[StatusSource], AbstractContextManager[object]]


def run(config: Config, *, show: Callable[[str], None], panel: Panel | None = None) -> int:
    """Run until the source ends, as many frames as asked are done, or Ctrl-C; then show the summary.

    Args:
        config: What to run on what, how long, and where the results go.
        show: Takes each line for the user.
        panel: Shows the run on a terminal instead of in lines.

    Returns:
        The exit code 0.

    Raises:
        PiInferError: As the parts of the pipeline raise it, or an output that cannot be opened.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after the summary; SIGHUP too where no file is written that it
            could have opened anew, or where it says that the terminal went.
    """
    reopening = Reopening()
    with ExitStack() as stack:
        stack.enter_context(ended_like_interrupted())
        if config.jsonl.path not in (None, STANDARD_OUTPUT):
            stack.enter_context(hangups_reopen(reopening, KeyboardInterrupt))
        model = open_model(config, show)
        pipeline = stack.enter_context(Pipeline.open(model, config.source, config.picamera))
        # Whoever asks for each picture of a folder wants a line, and a row of every output, for each.
        waits = not pipeline.source.live
        summary = RunSummary(model.class_names)
        status = StatusSource(readable(model.network.path.name), summary)
        outputs = Outputs(status, unattended=False, complete=waits, announce=show, reopening=reopening)
        stack.enter_context(outputs).open(config)
        lines = _Lines(summary, show, every_frame=waits) if panel is None else None
        try:
            with nullcontext() if panel is None else panel(status):
                for frame_result in islice(pipeline, config.live.frames):
                    summary.add(frame_result)
                    outputs.publish(frame_result)
                    if lines is not None:
                        lines.update(frame_result.finished_ns)
        finally:  # also after Ctrl-C or an error: what was done until then is worth a line
            if summary.rate.frames:
                show(f"{summary.totals()}{_skipped(pipeline)}")
    return 0


class _Lines:
    """Shows every frame of a source that waits for us, and twice a second one of a source that does not."""

    def __init__(self, summary: RunSummary, show: Callable[[str], None], *, every_frame: bool) -> None:
        self._summary = summary
        self._show = show
        self._pace = Pace(0 if every_frame else LINE_INTERVAL_NS)

    def update(self, now_ns: int) -> None:
        if self._pace.due(now_ns):
            self._show(self._summary.line())


def _skipped(pipeline: Pipeline) -> str:
    """What the summary adds for pictures that could not be read, or were left out."""
    source = pipeline.source
    if not isinstance(source, FolderSource):
        return ""
    skipped = f", {len(source.skipped)} unreadable skipped" if source.skipped else ""
    return f"{skipped}, {source.hidden} hidden left out" if source.hidden else skipped
