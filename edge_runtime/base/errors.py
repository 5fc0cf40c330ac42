"""Everything this project raises for a user to read, and the exit code each kind ends with.

::

    PiInferError            1   anything unexpected
    ├── InputError          2   bad usage or bad input: a file, a folder, an option
    │   └── InUseError      2   another run has what only one may have; the service ends with 1
    ├── ModelRefusedError   3   an ONNX file we read but will not run or reduce
    ├── CameraError         4   no camera, a busy camera, a camera that stopped
    ├── RemoteError         5   the other machine: SSH, the command there, its answer
    └── TargetUnmetError    6   the asked budget or drop cannot be met

A message is one line that says what is wrong and what to do about it.
"""

from edge_runtime.base.names import readable


class PiInferError(Exception):
    """Base of every error shown to the user as one line."""

    exit_code = 1


class InputError(PiInferError):
    """A file, folder or option the user gave is missing, unreadable or makes no sense."""

    exit_code = 2


class InUseError(InputError):
    """Another run writes this file, serves on this port, or bears this name."""


class ModelRefusedError(PiInferError):
    """The file is ONNX, but this network cannot be run or reduced as it stands."""

    exit_code = 3


class CameraError(PiInferError):
    """The camera is missing, busy, or has stopped delivering frames."""

    exit_code = 4


class RemoteError(PiInferError):
    """Something failed on, or on the way to, the machine behind ``--host``."""

    exit_code = 5


class TargetUnmetError(PiInferError):
    """The asked speed-up, budget or drop is out of reach; what comes nearest was written beside it."""

    exit_code = 6


def one_line(text: str) -> str:
    """Text from files and other programs, made safe to print: nothing in it drives a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in readable(text)).strip()
