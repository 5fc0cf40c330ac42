"""The run in one steady panel of a terminal.

The only module that imports rich (the extra ``tty``), which takes 5.4 MiB.
"""

import logging
import math
import sys
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from edge_runtime.results.status import Status, StatusSource

REFRESHES_PER_SECOND = 4
SHOWN_RESULTS = 5
STALLED_S = 3.0


class TerminalView:
    """Draws the status four times a second, on a thread of its own, while it is entered."""

    def __init__(self, status: StatusSource, console: Console | None = None) -> None:
        """Prepare.

        Args:
            status: How the run stands.
            console: The terminal; standard output if None.
        """
        self._status = status
        self._live = Live(
            console=console,
            get_renderable=lambda: panel(status.now()),
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
        )
        self._streams: list[tuple[logging.StreamHandler[Any], Any]] = []

    def __enter__(self) -> Self:
        self._live.__enter__()
        # Warnings go through the stream that rich put in place, so that they appear above the panel.
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                self._streams.append((handler, handler.setStream(sys.stderr)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for handler, stream in self._streams:
            if stream is not None:
                handler.setStream(stream)
        self._live.__exit__(kind, error, traceback)


def panel(status: Status) -> Panel:
    """The run as one panel for a terminal, 78 columns wide."""
    silence_s = status.run.silence_s
    stalled = status.run.last is not None and silence_s > STALLED_S
    state = Text(f"no result for {silence_s:.0f} s", "bold red") if stalled else Text("running", "green")
    return Panel(
        Group(_results(status), Text(), _figures(status), _troubles(status)),
        title=Text(f"pi-infer · {status.model}", "bold"),
        subtitle=Text.assemble(state, " · Ctrl-C ends"),
        title_align="left",
        subtitle_align="left",
        padding=(1, 2),
        width=78,
    )


def _results(status: Status) -> RenderableType:
    """The newest result, always in as many lines, so that the panel does not jump."""
    seen = () if status.run.last is None else status.run.last.result.predictions(SHOWN_RESULTS)
    table = Table.grid(padding=(0, 2))
    table.add_column(width=32, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", width=6)
    table.add_column(width=28)
    for row, each in enumerate(seen):
        name, percent = Text(each.label, "bold" if row == 0 else ""), 100 * each.score
        table.add_row(name, f"{percent:.1f} %", ProgressBar(100, percent, width=28))
    if not seen:
        table.add_row(Text(status.words()), "", "")
    for _ in range(SHOWN_RESULTS - max(1, len(seen))):
        table.add_row("", "", "")
    return table


def _figures(status: Status) -> Table:
    run = status.run
    age = "-" if run.last is None else f"{run.last.age_ms:.0f} ms"
    heat = "-" if status.temperature_c is None else f"{status.temperature_c:.0f} °C"
    figures = [
        ("frames/s", _known(run.fps)),
        ("p50", _known(run.latency.p50_ms, " ms")),
        ("p90", _known(run.latency.p90_ms, " ms")),
        ("age", age),
        ("memory", f"{status.rss_mib:.0f} MiB"),
        ("temperature", heat),
        ("frames", f"{run.frames}"),
        ("dropped", f"{run.dropped}"),
    ]
    table = Table.grid(padding=(0, 3), expand=True)
    for start in range(0, len(figures), 4):
        table.add_row(
            *(Text.assemble((f"{name} ", "dim"), value) for name, value in figures[start : start + 4])
        )
    return table


def _known(value: float, unit: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:.1f}{unit}"


def _troubles(status: Status) -> Text:
    """What is wrong, on one line: what holds now before what was."""
    troubles = [f"{state.name} fails" for state in status.outputs if state.failing]
    troubles += status.throttled or ()
    if status.run.invalid:
        troubles.append(f"{status.run.invalid} frames with NaN outputs")
    style = "yellow" if troubles else "dim"
    return Text(", ".join(troubles) or "no trouble", style, no_wrap=True, overflow="ellipsis")
