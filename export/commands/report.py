"""``pi-export report``: a page for people, of what commands have written for programs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.program import print_to_stdout
from edge_runtime.settings.help import example

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(commands: "Subparsers") -> None:
    """Add ``pi-export report`` to the commands of the parser."""
    parser = commands.add_parser(
        "report",
        epilog=example("pi-export report report/report.json bench.json -o report"),
        help="make one page of a reduction, an evaluation and a benchmark",
        description="Make report.html, report.md and report.json of what 'pi-export reduce', 'pi-export "
        "evaluate' and 'pi-infer bench' wrote with --json, or 'reduce' with --report.",
    )
    parser.add_argument("documents", type=Path, nargs="+", metavar="FILE.json", help="one of a kind")
    parser.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="DIR", help="the folder to write into"
    )
    parser.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from export.report.write import require_folder, write_report_of_files  # noqa: PLC0415

    require_folder(arguments.output)
    write_report_of_files(arguments.output, arguments.documents)
    print_to_stdout(f"{arguments.output / 'report.html'}")
    return 0
