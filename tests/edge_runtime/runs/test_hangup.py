"""SIGHUP to real runs: a log that was moved, a terminal that went, and a program that still loads."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

MakeNetwork = Callable[..., Path]
LIMIT_S = 60
COMMANDS = [(), ("service",)]


@contextmanager
def running(*arguments: object, cwd: Path, **options: object) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "edge_runtime.cli", *map(str, arguments)]
    settings = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        **options,
    }
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3]), "NOTIFY_SOCKET": ""}
    with subprocess.Popen(command, cwd=cwd, env=environment, **settings) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def wait_for_line(path: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + LIMIT_S
    while not (path.exists() and path.read_bytes().endswith(b"\n")):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def frames_of(path: Path) -> list[int]:
    return [json.loads(line)["frame"] for line in path.read_text(encoding="ascii").splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN], ids=["plainly", "under nohup"])
def test_a_log_that_was_moved_or_deleted_is_begun_anew(
    make_network: MakeNetwork, tmp_path: Path, command: tuple[str, ...], handler: signal.Handlers
) -> None:
    log, moved = tmp_path / "out.jsonl", tmp_path / "out.jsonl.old"
    arguments = (*command, "--source", "demo", "--model", make_network(), "--jsonl", log)
    inherit = partial(signal.signal, signal.SIGHUP, handler)
    with running(*arguments, cwd=tmp_path, preexec_fn=inherit) as process:
        wait_for_line(log, process)
        log.rename(moved)
        process.send_signal(signal.SIGHUP)
        wait_for_line(log, process)
        written = frames_of(moved)
        wait_for_line(log, process)
        assert frames_of(moved) == written
        log.unlink()
        process.send_signal(signal.SIGHUP)
        wait_for_line(log, process)
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)
    frames = frames_of(log)
    assert frames == list(range(frames[0], frames[0] + len(frames)))
    assert frames[0] > written[-1]


def test_without_a_file_it_ends_a_live_run_and_not_the_service(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    arguments = ("--source", "demo", "--model", make_network(), "--prometheus-textfile", "x.prom")
    for command in COMMANDS:
        with running(*command, *arguments, cwd=tmp_path) as process:
            wait_for_line(tmp_path / "x.prom", process)
            process.send_signal(signal.SIGHUP)
            if command:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.5)
                process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == (0 if command else 130)
        (tmp_path / "x.prom").unlink(missing_ok=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_that_goes_ends_the_run_also_where_it_writes_a_file(
    make_network: MakeNetwork, tmp_path: Path, command: tuple[str, ...]
) -> None:
    log = tmp_path / "out.jsonl"
    arguments = (*command, "--source", "demo", "--model", make_network(), "--jsonl", log)
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        os.close(
            os.open(os.ttyname(theirs), os.O_RDWR)
        )  # the first that a session leader opens becomes its own

    with running(*arguments, cwd=tmp_path, preexec_fn=take_terminal) as process:
        wait_for_line(log, process)
        process.send_signal(signal.SIGHUP)  # somebody's kill: the terminal is there
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        os.close(theirs)
        os.close(ours)
        assert process.wait(LIMIT_S) == (0 if command else 130)


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_survived_while_the_program_loads(
    make_network: MakeNetwork, tmp_path: Path, command: tuple[str, ...]
) -> None:
    log = tmp_path / "out.jsonl"
    (tmp_path / "site").mkdir()
    # Sent in the middle of the loading, by the first of the libraries that take long.
    (tmp_path / "site" / "onnxruntime.py").write_text(
        "import os, signal; os.kill(os.getpid(), signal.SIGHUP); raise ImportError('as far as here')"
    )
    arguments = (*command, "--source", "demo", "--model", make_network(), "--jsonl", log)
    code = "import sys; sys.path.insert(0, 'site'); from edge_runtime.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "as far as here" in done.stderr
    assert done.returncode == 1
