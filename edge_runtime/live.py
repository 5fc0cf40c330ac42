"""``pi-infer --camera`` and ``--source``: the pipeline, seen in plain lines."""

from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice

from edge_runtime.frames.folder import FolderSource
from edge_runtime.outputs.jsonl import JsonLines
from edge_runtime.pipeline import Pipeline, RunSettings, open_pipeline
from edge_runtime.summary import RunSummary

LINE_INTERVAL_NS = 500_000_000


def run(
    settings: RunSettings, *, frames: int | None = None, jsonl: str | None = None, show: Callable[[str], None]
) -> int:
    """Run until the source ends, ``frames`` are done, or Ctrl-C; the summary is shown in each case.

    Args:
        settings: What to run on what.
        frames: How many frames to process at most.
        jsonl: Where to write JSON lines; ``-`` is standard output.
        show: Takes each line for the user.

    Returns:
        The exit code 0.

    Raises:
        PiInferError: As the parts of the pipeline raise it.
        KeyboardInterrupt: Ctrl-C, after the summary.
    """
    with ExitStack() as stack:
        output = None if jsonl is None else stack.enter_context(JsonLines(jsonl))
        pipeline = stack.enter_context(open_pipeline(settings))
        summary = RunSummary(frozenset((pipeline.card.labels or {}).values()))
        view = _View(summary, show, every_frame=not pipeline.source.live)
        try:
            for frame_result in islice(pipeline, frames):
                summary.add(frame_result)
                if output is not None:
                    output.write(frame_result.to_json())
                view.update(frame_result.finished_ns)
        finally:
            if summary.rate.frames:
                show(f"{summary.totals()}{_skipped(pipeline)}")
    return 0


class _View:
    """Shows every frame of a source that waits for us, and twice a second one of a source that does not."""

    def __init__(self, summary: RunSummary, show: Callable[[str], None], *, every_frame: bool) -> None:
        self._summary = summary
        self._show = show
        self._interval_ns = 0 if every_frame else LINE_INTERVAL_NS
        self._due_ns = 0

    def update(self, now_ns: int) -> None:
        if now_ns >= self._due_ns:
            self._show(self._summary.line())
            self._due_ns = now_ns + self._interval_ns


def _skipped(pipeline: Pipeline) -> str:
    """What the summary adds for pictures that could not be read."""
    source = pipeline.source
    skipped = len(source.skipped) if isinstance(source, FolderSource) else 0
    return f", {skipped} unreadable skipped" if skipped else ""
