"""``pi-infer doctor``: look for every known trouble of this machine."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.files import require_writable, write_text
from edge_runtime.base.program import print_to_stdout
from edge_runtime.settings.arguments import ENGINES
from edge_runtime.settings.flags import borrow_flag
from edge_runtime.settings.help import example

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(subparsers: "Subparsers") -> None:
    """Add ``pi-infer doctor`` to the commands of the parser."""
    parser = subparsers.add_parser(
        "doctor",
        epilog=example("pi-infer doctor --model small.onnx"),
        help="look for every known trouble of this machine",
        description="Look for every known trouble of this machine, each with its remedy. "
        "Ends with 1 if there is a problem; warnings do not count.",
    )
    borrow_flag(parser, "model", "path", "the network to try (default: the demo's)")
    parser.add_argument(
        "--engine", choices=ENGINES, default=ENGINES[0], help="what shall run it (default: %(default)s)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the findings as JSON ('-' is standard output)")
    parser.set_defaults(handler=_run, sections=())


def _run(arguments: argparse.Namespace) -> int:
    from edge_runtime.doctor import diagnose  # noqa: PLC0415  only this command needs it

    json_file = None if arguments.json in (None, "-") else Path(arguments.json)
    if json_file is not None:
        require_writable(json_file)
    diagnosis = diagnose.diagnose(arguments.model, engine=arguments.engine)
    if json_file is not None:
        write_text(json_file, diagnose.to_json(diagnosis))
    if arguments.json == "-":
        print_to_stdout(diagnose.to_json(diagnosis).rstrip("\n"))
    else:
        print_to_stdout(diagnose.to_text(diagnosis, colour=sys.stdout.isatty()))
    return diagnosis.exit_code
