"""``pi-export recover``: train a reduced network to respond as its original does."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.errors import TargetUnmetError
from edge_runtime.base.files import require_writable
from edge_runtime.base.program import print_to_stdout
from edge_runtime.settings.arguments import positive, positive_minutes, whole
from edge_runtime.settings.help import example
from export.commands.arguments import add_card_option, add_json_option
from export.commands.printing import warn_of_skipped
from export.reduction import defaults

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(commands: "Subparsers") -> None:
    """Add ``pi-export recover`` to the commands of the parser."""
    parser = commands.add_parser(
        "recover",
        help="train a reduced network to respond as its original does",
        description="Train a reduced network, without labels, to respond as its original does. Only weights "
        "change. It is written only if it did not get worse on images kept apart. Ctrl-C ends the training "
        "and keeps the best so far. Needs torch: pip install 'pi-infer[recover]'.",
        epilog=example("pi-export recover small.onnx --teacher net.onnx --images photos -o better.onnx"),
    )
    parser.add_argument("reduced", type=Path, metavar="REDUCED", help="what 'pi-export reduce' wrote")
    parser.add_argument(
        "--teacher", type=Path, required=True, metavar="MODEL", help="the network it was reduced from"
    )
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="the images it was reduced on"
    )
    parser.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="OUT.onnx", help="the file to write"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--epochs",
        type=positive,
        metavar="N",
        help="passes over the images (default: 30, of few images more)",
    )
    length.add_argument("--minutes", type=positive_minutes, metavar="T", help="instead: train for so long")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to use (default: all)")
    parser.add_argument(
        "--seed",
        type=whole,
        default=defaults.SEED,
        metavar="N",
        help="decides what the training sees when (default: %(default)d)",
    )
    add_card_option(parser)
    add_json_option(parser)
    parser.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from export.commands.progress_bars import progress_bars  # noqa: PLC0415
    from export.recovery.file import recover  # noqa: PLC0415  torch loads here
    from export.report.write import write_json  # noqa: PLC0415

    if arguments.json:
        require_writable(arguments.json)
    with progress_bars() as progress:
        recovery = recover(
            arguments.reduced,
            arguments.teacher,
            arguments.images,
            arguments.output,
            epochs=arguments.epochs,
            minutes=arguments.minutes,
            card=arguments.input,
            threads=arguments.threads,
            seed=arguments.seed,
            progress=progress,
        )
    if arguments.json:
        write_json(arguments.json, recovery.to_document())
    warn_of_skipped(recovery.skipped)
    print_to_stdout(recovery.words())
    if not recovery.delivered:
        raise TargetUnmetError(
            f"the network did not get better, so nothing is written; {arguments.reduced} is as it was"
        )
    return 0
