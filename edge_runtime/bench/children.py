"""Asking a child process of the benchmark's: it gets its job, and its answer or its error comes back."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.base.errors import CameraError, InputError, ModelRefusedError, PiInferError
from edge_runtime.bench.messages import Answer, FramesJob, Job, TrialsJob

PACKAGES_PARENT = str(Path(__file__).resolve().parents[2])


def ask(module: str, job: Job | FramesJob | TrialsJob, subject: str) -> Answer:
    """Run one of our modules in a process of its own and return its answer.

    Args:
        module: Name of a module that answers by ``messages.reply``.
        job: What it shall do.
        subject: What the job is about, for the message should the process die.

    Raises:
        InputError, ModelRefusedError, CameraError: As the child raised it.
        PiInferError: The child died, as for want of memory.
    """
    # The child must find this very package, also where it is not installed; "-P" keeps the folder we stand
    # in out of its search, where a file of the user's might have the name of a library.
    search = os.pathsep.join([PACKAGES_PARENT, *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": search},
    )
    try:
        # Through standard input: should we be interrupted before the job is sent, the child ends by itself.
        output, complaints = process.communicate(job.to_json())
    except BaseException:
        process.kill()
        process.wait()
        raise
    said = tuple(complaints.strip().splitlines())
    try:
        fields = json.loads(output)
    except ValueError:
        raise PiInferError(f"{subject}: {_end(process.returncode, said)}") from None
    if "error" in fields:
        kinds = {kind.exit_code: kind for kind in (InputError, ModelRefusedError, CameraError)}
        raise kinds.get(process.returncode, PiInferError)(fields["error"])
    return Answer(fields, said)


def _end(code: int, said: Sequence[str]) -> str:
    """How a process that gave no answer ended."""
    if code < 0:
        # The kernel kills by SIGKILL what takes the last of the memory, and leaves no other word here.
        hint = " (is there enough memory?)" if -code == signal.SIGKILL else ""
        return f"its process was killed by {signal.Signals(-code).name}{hint}"
    return f"its process failed: {said[-1] if said else f'code {code}'}"
