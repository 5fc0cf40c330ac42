"""``pi-export quantise``: write a network in int8."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.files import require_writable
from edge_runtime.base.program import print_to_stdout
from edge_runtime.settings.arguments import percent, positive, whole
from edge_runtime.settings.help import example
from export.commands.arguments import add_card_option, add_json_option
from export.commands.printing import warn_of_skipped
from export.reduction import defaults

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(commands: "Subparsers") -> None:
    """Add ``pi-export quantise`` to the commands of the parser."""
    parser = commands.add_parser(
        "quantise",
        epilog=example("pi-export quantise small.onnx --images photos -o small-int8.onnx"),
        help="write a network in int8",
        description="Write a network, reduced or not, in int8, which onnxruntime runs: a quarter of the "
        "size, and faster where the processor multiplies bytes (a Pi 5 does, a Pi 4 hardly).",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="calibration images")
    parser.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="OUT.onnx", help="the file to write"
    )
    parser.add_argument(
        "--max-drop",
        type=percent,
        metavar="PCT",
        help="lose at most PCT points of agreement with the network in float on images kept apart to judge "
        f"(default: {defaults.SANE_DROP_PERCENT:g})",
    )
    parser.add_argument(
        "--max-images",
        type=positive,
        default=defaults.MAX_IMAGES,
        metavar="N",
        help="use at most N images, and judge on a quarter as many others (default: %(default)d)",
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to use (default: all)")
    parser.add_argument(
        "--seed", type=whole, default=defaults.SEED, metavar="N", help="chooses images (default: %(default)d)"
    )
    add_card_option(parser)
    add_json_option(parser)
    parser.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from export.commands.progress_bars import progress_bars  # noqa: PLC0415  numpy and onnx load here
    from export.commands.tables import int8_words, judged_words  # noqa: PLC0415
    from export.reduction.quantised_file import quantise  # noqa: PLC0415
    from export.report.write import write_json  # noqa: PLC0415

    if arguments.json:
        require_writable(arguments.json)
    with progress_bars() as progress:
        delivery = quantise(
            arguments.model,
            arguments.images,
            arguments.output,
            max_drop_percent=arguments.max_drop,
            max_images=arguments.max_images,
            card=arguments.input,
            threads=arguments.threads,
            seed=arguments.seed,
            progress=progress,
        )
    max_drop = defaults.SANE_DROP_PERCENT if arguments.max_drop is None else arguments.max_drop
    if arguments.json:
        write_json(arguments.json, delivery.to_document(max_drop))
    warn_of_skipped(delivery.skipped)
    print_to_stdout(
        f"{delivery.path}: {int8_words(delivery.quantised)}; {delivery.bytes_before / 1e6:.3g} MB before, "
        f"{delivery.bytes_after / 1e6:.3g} MB after"
    )
    print_to_stdout(judged_words(delivery.agreement, max_drop))
    return 0
