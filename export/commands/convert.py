"""``pi-export convert``: make a network ready for ncnn, too."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.errors import InputError
from edge_runtime.base.program import print_to_stdout
from edge_runtime.settings.help import example
from export.commands.arguments import add_card_option
from export.commands.printing import warn_of_skipped

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(commands: "Subparsers") -> None:
    """Add ``pi-export convert`` to the commands of the parser."""
    parser = commands.add_parser(
        "convert",
        epilog=example("pi-export convert net.onnx -o both.onnx"),
        help="make a network ready for ncnn, too",
        description="Add to a network what ncnn needs to run it: one file, which onnxruntime runs as before. "
        "It is written once ncnn was seen to answer as onnxruntime does.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    add_card_option(parser)
    parser.add_argument(
        "-o", dest="output", type=Path, metavar="OUT.onnx", help="the file to write (default: MODEL itself)"
    )
    half = parser.add_argument_group("in float16")
    half.add_argument(
        "--precision",
        choices=("float32", "float16"),
        default="float32",
        help="what ncnn may compute in; float16 where the processor can (a Pi 5 can, a Pi 4 cannot), and "
        "float32 elsewhere (default: %(default)s)",
    )
    half.add_argument(
        "--images", type=Path, metavar="DIR", help="calibration images, to see that float16 holds the values"
    )
    parser.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from edge_runtime.model.engines.select import load_engine  # noqa: PLC0415

    if (arguments.precision == "float16") != (arguments.images is not None):
        raise InputError(
            "--precision float16 and --images DIR go together: images show how large values become"
        )
    load_engine("ncnn")
    output = arguments.output or arguments.model
    if arguments.images is not None:
        return _in_half(arguments, output)
    from export.convert.for_ncnn import convert_for_ncnn  # noqa: PLC0415  ncnn, onnx and onnxruntime load here
    from export.network.source import read_source  # noqa: PLC0415

    difference = convert_for_ncnn(read_source(arguments.model), output, arguments.input)
    print_to_stdout(f"{output} {_both_engines(difference)}")
    return 0


def _in_half(arguments: argparse.Namespace, output: Path) -> int:
    from export.commands.progress_bars import progress_bars  # noqa: PLC0415
    from export.commands.tables import judged_words  # noqa: PLC0415
    from export.reduction.defaults import SANE_DROP_PERCENT  # noqa: PLC0415
    from export.reduction.half_file import convert_to_half  # noqa: PLC0415

    with progress_bars() as progress:
        delivery = convert_to_half(
            arguments.model, arguments.images, output, card=arguments.input, progress=progress
        )
    warn_of_skipped(delivery.skipped)
    print_to_stdout(
        f"{output} {_both_engines(delivery.difference)}; rounded to float16 between its layers:\n"
        + judged_words(delivery.agreement, SANE_DROP_PERCENT)
    )
    return 0


def _both_engines(difference: float) -> str:
    return (
        f"runs under onnxruntime and ncnn, whose outputs differ by at most {difference:.1e} of the "
        "largest value"
    )
