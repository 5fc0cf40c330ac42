"""Libraries that write to descriptor 2 themselves: silenced while they decode, and nothing else is lost."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
BEGIN = (
    "import os, subprocess, sys, threading\n"
    "from edge_runtime.base.native_noise import native_silence, part_from_native_stderr\n"
)


def said(code: str, *options: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, *options, "-c", BEGIN + code],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    return done.stderr.splitlines()


def test_native_lines_are_kept_back_and_ours_are_not() -> None:
    code = (
        "part_from_native_stderr(); part_from_native_stderr()\n"
        "os.write(2, b'native before\\n')\n"
        "with native_silence():\n"
        "    os.write(2, b'noise\\n'); print('ours', file=sys.stderr)\n"
        "    with native_silence(): os.write(2, b'noise\\n')\n"
        "    os.write(2, b'noise\\n')\n"
        "os.write(2, b'native after\\n')\n"
        "subprocess.run([sys.executable, '-c', 'import sys; print(\"child\", file=sys.stderr)'])\n"
    )
    assert said(code) == ["native before", "ours", "native after", "child"]


def test_an_error_within_ends_the_silence() -> None:
    code = (
        "part_from_native_stderr()\n"
        "try:\n"
        "    with native_silence(): raise ValueError\n"
        "except ValueError: os.write(2, b'heard\\n')\n"
    )
    assert said(code) == ["heard"]


def test_threads_may_be_silent_at_once() -> None:
    code = (
        "part_from_native_stderr()\n"
        "def noise():\n"
        "    for _ in range(2000):\n"
        "        with native_silence(): os.write(2, b'noise\\n')\n"
        "threads = [threading.Thread(target=noise) for _ in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for _ in range(50): print('ours', file=sys.stderr)\n"
        "for thread in threads: thread.join()\n"
        "os.write(2, b'heard\\n')\n"
    )
    assert said(code) == ["ours"] * 50 + ["heard"]


def test_a_program_that_was_not_asked_keeps_its_standard_error() -> None:
    assert said("with native_silence(): os.write(2, b'theirs\\n')") == ["theirs"]


def test_a_crash_while_silent_still_shows_the_line_of_python() -> None:
    lines = said("part_from_native_stderr()\nwith native_silence(): os.abort()\n", "-X", "faulthandler")
    assert lines[0].startswith("Fatal Python error: Aborted")


def test_a_closed_standard_error_is_left_alone() -> None:
    assert said("os.close(2); part_from_native_stderr()\nwith native_silence(): pass\n") == []
