"""``pi-export evaluate``: compare networks on a folder of images."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.settings.arguments import positive
from edge_runtime.settings.help import example
from export.commands.arguments import add_card_option, add_json_option, add_report_option, padding
from export.commands.printing import show, warn_of_skipped

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(commands: "Subparsers") -> None:
    """Add ``pi-export evaluate`` to the commands of the parser."""
    parser = commands.add_parser(
        "evaluate",
        help="compare networks on a folder of images: accuracy and agreement with the first",
        epilog=example("pi-export evaluate net.onnx small.onnx --images labelled"),
    )
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL", help="ONNX files")
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="a subfolder for each class"
    )
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="threads of one inference (default: all)"
    )
    parser.add_argument(
        "--pad-square",
        type=padding,
        metavar="FACTOR[:GREY]",
        help="first put each image in a grey square of FACTOR times its longer side (default grey: 127)",
    )
    add_report_option(parser)
    add_card_option(parser)
    add_json_option(parser)
    parser.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from export.commands.progress_bars import progress_bars  # noqa: PLC0415
    from export.commands.tables import evaluation_table  # noqa: PLC0415
    from export.judge.evaluate import evaluate  # noqa: PLC0415  onnxruntime and OpenCV load here
    from export.report.write import require_folder, write_json  # noqa: PLC0415

    if arguments.report:
        require_folder(arguments.report)
    with progress_bars() as progress:
        evaluation = evaluate(
            arguments.models,
            arguments.images,
            arguments.threads,
            arguments.input,
            progress=progress,
            padding=arguments.pad_square,
        )
    if arguments.json:
        write_json(arguments.json, evaluation.to_document())
    if arguments.report:
        _report(arguments, evaluation.to_document())
    warn_of_skipped(evaluation.skipped)
    show(evaluation_table(evaluation))
    return 0


def _report(arguments: argparse.Namespace, document: dict[str, object]) -> None:
    """Look for pictures on which the last network answers differently from the first, and write it all."""
    from export.calibrate.images import find_images  # noqa: PLC0415
    from export.commands.progress_bars import progress_bars  # noqa: PLC0415
    from export.judge.contestants import open_contestant  # noqa: PLC0415
    from export.judge.differences import differences  # noqa: PLC0415
    from export.report.documents import command_line, differences_document  # noqa: PLC0415
    from export.report.write import write_report  # noqa: PLC0415

    found = None
    if len(arguments.models) > 1:
        ends = arguments.models[0], arguments.models[-1]
        first, last = (open_contestant(path, arguments.input, arguments.threads) for path in ends)
        with progress_bars() as progress:
            found = differences(first, last, find_images(arguments.images).files, progress)
    command = command_line("pi-export", arguments.given)
    write_report(
        arguments.report, {**document, "differences": differences_document(found), "command": command}
    )
