"""What both programs make of an error: an exit code, and one line that says what is wrong and what to do."""

import argparse
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_runtime.base import errors
from edge_runtime.base.errors import InputError
from edge_runtime.base.program import for_users, log_to_stdout, print_to_stderr, print_to_stdout, run_program

EXTRAS = {"rich": "tty"}


def run(outcome: int | BaseException, *argv: str, before: Exception | None = None) -> int:
    def handler(_arguments: argparse.Namespace) -> int:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def look(_arguments: argparse.Namespace) -> None:
        if before is not None:
            raise before

    parser = argparse.ArgumentParser(prog="program")
    parser.add_argument("--debug", action="store_true")
    parser.set_defaults(handler=handler)
    return run_program(parser, list(argv), extras=EXTRAS, relief="use less", before=look)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("bad\n  input\x1b[2J"), 2, "bad input [2J"),
        (errors.ModelRefusedError("no"), 3, "no"),
        (errors.CameraError("no"), 4, "no"),
        (errors.RemoteError("no"), 5, "no"),
        (errors.TargetUnmetError("no"), 6, "no"),
        (OSError(errno.ENOSPC, "No space left on device", "x.json"), 2, "x.json: No space left on device"),
        (OSError("odd"), 2, "reading or writing: odd"),
        (MemoryError(), 1, "there is not enough memory; use less"),
        (
            ModuleNotFoundError("No module", name="rich.table"),
            2,
            "program needs rich: pip install 'pi-infer[tty]'",
        ),
        (
            ModuleNotFoundError("No module named 'x'", name="x"),
            1,
            "ModuleNotFoundError: No module named 'x' (--debug shows where)",
        ),
        (ValueError("odd"), 1, "ValueError: odd (--debug shows where)"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    error: Exception, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(error) == code
    assert capsys.readouterr().err == f"program: error: {line}\n"
    assert for_users(error, "program", EXTRAS, "use less").exit_code == code


def test_debug_shows_where() -> None:
    with pytest.raises(ValueError, match="odd"):
        run(ValueError("odd"), "--debug")


def test_the_handlers_code_is_the_programs() -> None:
    assert run(0) == 0
    assert run(7) == 7


def test_an_interruption_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""


def test_what_makes_no_sense_is_refused_before_the_handler_runs() -> None:
    assert run(0, before=InputError("no")) == 2


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard output and error lead to a full disk."""
    with (
        Path("/dev/full").open("w") as disk,
        Path(os.devnull).open("w") as nowhere,
        monkeypatch.context() as patch,
    ):
        patch.setattr("sys.stdout", disk)
        patch.setattr("sys.stderr", disk)
        yield
        os.dup2(nowhere.fileno(), disk.fileno())  # or closing it would fail


def test_a_result_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with full_disk(monkeypatch):
        with pytest.raises(InputError, match="cannot write to standard output: No space left"):
            print_to_stdout("a result")
        print_to_stdout("from now on it leads nowhere, or the interpreter would fail at its end")


@pytest.mark.parametrize("print_line", [log_to_stdout, print_to_stderr])
def test_the_work_goes_on_where_words_about_it_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, print_line: Callable[[str], None]
) -> None:
    with full_disk(monkeypatch):
        print_line("a line")
