"""The view of a run on a terminal, drawn to text and on a real pseudo-terminal."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_runtime.postprocess.classify import Classification
from edge_runtime.results.status import OutputState
from tests.edge_runtime.finished_frames import classified, detected, finished, status_source

rich_console = pytest.importorskip("rich.console")

from edge_runtime.commands.terminal import panel  # noqa: E402  needs rich

MakeNetwork = Callable[..., Path]
LIMIT_S = 60.0


def drawn(*results: object, width: int = 100) -> str:
    source = status_source(*results)  # type: ignore[arg-type]
    source.states.append(lambda: OutputState("mqtt", failing=True, skipped=3))
    console = rich_console.Console(width=width, force_terminal=False, color_system=None)
    with console.capture() as captured:
        console.print(panel(source.now()))
    return str(captured.get())


def test_the_panel_shows_results_pace_and_troubles() -> None:
    text = drawn(finished(30, classified("Käse", "[red]circle")))
    for words in (
        "tiny.onnx", "Käse", "90.0 %", "[red]circle", "p50 12.5 ms", "p90 12.5 ms", "age 20 ms", "MiB",
        "temperature 72 °C", "dropped 3", "under-voltage", "mqtt fails", "Ctrl-C",
    ):  # fmt: skip
        assert words in text


def test_the_panel_never_changes_its_height() -> None:
    boxes = [(1.0, 1.0, 9.0, 9.0)] * 12
    results = [classified("a"), detected(), detected(*boxes), Classification((), valid=False)]
    heights = {len(drawn(finished(result=result)).splitlines()) for result in results}
    assert len(heights) == 1
    assert heights == {len(drawn().splitlines())}


def test_what_is_not_known_yet_is_a_dash() -> None:
    for text in (drawn(), drawn(finished())):
        assert "frames/s -" in text
        assert "nan" not in text
    assert "p50 -" in drawn()


def test_a_silent_run_is_said() -> None:
    old = finished()
    assert "no result for 60 s" in drawn(replace(old, finished_ns=old.finished_ns - 60 * 10**9))


def on_terminal(
    *arguments: object, cwd: Path, until: bytes, term: str = "xterm-256color"
) -> tuple[int, bytes]:
    """Run ``pi-infer`` on a terminal, press Ctrl-C when ``until`` appears, and give what was shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edge_runtime.cli", *map(str, arguments)]
    environment = {**os.environ, "TERM": term, "COLUMNS": "100", "LINES": "30"}
    shown, pressed, deadline = b"", False, time.monotonic() + LIMIT_S
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        while time.monotonic() < deadline:
            ready, _, _ = select.select([ours], [], [], 1.0)
            try:
                shown += os.read(ours, 1 << 16) if ready else b""
            except OSError:  # the other end is closed: it ended
                break
            if until in shown and not pressed:
                process.send_signal(signal.SIGINT)
                pressed = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        process.kill()  # where it did not end by itself: leaving the block would wait for ever
    os.close(ours)
    return process.returncode, shown


def test_a_terminal_gets_the_panel_and_after_control_c_the_summary(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    arguments = ("--source", "demo", "--model", make_network())
    code, shown = on_terminal(*arguments, cwd=tmp_path, until=b"square")
    assert code == 130
    assert "╭─".encode() in shown
    assert shown.rstrip().splitlines()[-1].endswith(b")")
    assert b" dropped, memory " in shown
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1  # the cursor is hidden and comes back
    assert b"Traceback" not in shown


def test_warnings_appear_above_the_panel(make_network: MakeNetwork, tmp_path: Path) -> None:
    arguments = ("--source", "demo", "--model", make_network(), "--jsonl", "/dev/full")
    _, shown = on_terminal(*arguments, cwd=tmp_path, until=b"jsonl fails")
    assert shown.count(b"pi-infer: warning: jsonl: cannot write /dev/full") == 1


@pytest.mark.parametrize(
    ("flags", "term"), [(("--plain",), "xterm"), ((), "dumb"), (("--jsonl", "-"), "xterm")]
)
def test_plain_lines_where_no_panel_can_or_shall_be(
    make_network: MakeNetwork, tmp_path: Path, flags: tuple[str, ...], term: str
) -> None:
    arguments = ("--source", "demo", "--model", make_network(), *flags)
    code, shown = on_terminal(*arguments, cwd=tmp_path, until=b"frame 0: ", term=term)
    assert code == 130
    assert b"\x1b" not in shown


def test_without_rich_there_are_plain_lines(make_network: MakeNetwork, tmp_path: Path) -> None:
    code = (
        "import sys, importlib.util; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'rich' else find(name, *more)\n"
        "from unittest import mock; import edge_runtime.cli as cli\n"
        "with mock.patch.object(sys.stdout, 'isatty', lambda: True): sys.exit(cli.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--source", "demo", "--model", str(make_network()), "--frames", "2"],
        capture_output=True, text=True, check=False, env={**os.environ, "TERM": "xterm"}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("frame 0: ")
