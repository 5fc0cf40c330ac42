"""``pi-infer trials``: time convolutions by themselves, as ``pi-export profile --host`` asks over SSH."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.errors import InputError
from edge_runtime.base.program import print_to_stderr, print_to_stdout
from edge_runtime.settings.help import example

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(subparsers: "Subparsers") -> None:
    """Add ``pi-infer trials`` to the commands of the parser."""
    parser = subparsers.add_parser(
        "trials",
        epilog=example("pi-infer trials job.json"),
        help="time convolutions by themselves, for 'pi-export profile --host'",
        description="Time the convolutions that a file names, and print the times as JSON: what 'pi-export "
        "profile --host' asks for.",
    )
    parser.add_argument("job", type=Path, metavar="JOB.json", help="which convolutions, engine and threads")
    parser.set_defaults(handler=_run, sections=())


def _run(arguments: argparse.Namespace) -> int:
    from edge_runtime.bench.convolutions import time_convolutions  # noqa: PLC0415  numpy loads here
    from edge_runtime.bench.messages import TrialsJob  # noqa: PLC0415
    from edge_runtime.bench.trials import trials_of  # noqa: PLC0415

    try:
        job = TrialsJob.from_json(arguments.job.read_text())
        trials = trials_of(job)
    except (OSError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise InputError(f"{arguments.job} is no job as 'pi-export profile' writes it") from error
    times = time_convolutions(
        trials,
        job.engine,
        job.threads,
        job.footprint,
        lambda done, total: print_to_stderr(f"timed {done} of {total}"),
    )
    print_to_stdout(json.dumps({"ms": times}))
    return 0
