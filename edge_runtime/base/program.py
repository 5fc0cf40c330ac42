"""What both programs share: run what was asked, and end with one line and the exit code of ``errors``.

Only this module prints; commands are handed, or import, what they print with.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable, Mapping

from edge_runtime.base.errors import InputError, PiInferError, one_line
from edge_runtime.base.interrupts import INTERRUPTED, end_interrupted, working
from edge_runtime.base.names import readable
from edge_runtime.base.streams import discard_stdout, survive_any_terminal

BROKEN_PIPE = 141  # as a shell reports a program that was ended by SIGPIPE: 128 and the signal's number

Handler = Callable[[argparse.Namespace], int]


def run_program(
    parser: argparse.ArgumentParser,
    argv: list[str] | None,
    *,
    extras: Mapping[str, str],
    relief: str,
    before: Callable[[argparse.Namespace], None] = lambda _: None,
) -> int:
    """Parse a command line and call its handler.

    Args:
        parser: Its namespaces have ``handler`` (a ``Handler``) and ``debug`` (whether to let errors out as
            tracebacks).
        argv: The arguments; those of the process if None.
        extras: The extra that installs each module that may be missing, by the module's name.
        relief: What to do where there is not enough memory.
        before: Called with the arguments before the handler: refuses what makes no sense.

    Returns:
        The handler's exit code, or that of the error; 130 after Ctrl-C, 141 when the reader of our output
        went away.
    """
    program = parser.prog
    survive_any_terminal(program)
    arguments = parser.parse_args(argv)
    arguments.given = list(sys.argv[1:] if argv is None else argv)  # for reports: how to do it again
    handler: Handler = arguments.handler
    try:
        with working():
            before(arguments)
            code = handler(arguments)
            sys.stdout.flush()  # here a full disk or a reader that went away still becomes an exit code
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        end_interrupted()
        return INTERRUPTED
    except BrokenPipeError:
        discard_stdout()
        return BROKEN_PIPE
    except Exception as error:
        if arguments.debug:
            raise
        told = for_users(error, program, extras, relief)
        # Libraries write several lines; whoever reads ours, or a program, shall find one.
        print_to_stderr(f"{program}: error: {one_line(' '.join(str(told).split()))}")
        return told.exit_code
    return code


def for_users(error: Exception, program: str, extras: Mapping[str, str], relief: str) -> PiInferError:
    """An error as a user is told of it.

    Args:
        error: Whatever was raised.
        program: Whose error it is.
        extras: The extra that installs each module that may be missing, by the module's name.
        relief: What to do where there is not enough memory.
    """
    if isinstance(error, PiInferError):
        return error
    if isinstance(error, OSError):
        return InputError(f"{error.filename or 'reading or writing'}: {error.strerror or error}")
    if isinstance(error, MemoryError):
        return PiInferError(f"there is not enough memory; {relief}")
    missing = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing in extras:
        return InputError(f"{program} needs {missing}: pip install 'pi-infer[{extras[missing]}]'")
    return PiInferError(f"{type(error).__name__}: {error} (--debug shows where)")


def print_to_stdout(line: str) -> None:
    """Print a line of the result on standard output.

    Raises:
        BrokenPipeError: Its reader went away.
        InputError: It cannot be written, as on a full disk.
    """
    try:
        print(readable(line), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        raise InputError(f"cannot write to standard output: {error.strerror}") from error


def log_to_stdout(line: str) -> None:
    """Print a line of a service's log on standard output: the service goes on where its log is full."""
    with contextlib.suppress(InputError):
        print_to_stdout(line)


def print_to_stderr(line: str) -> None:
    """Print a line on standard error; whether that works does not matter to the work itself."""
    with contextlib.suppress(OSError):
        print(readable(line), file=sys.stderr, flush=True)
