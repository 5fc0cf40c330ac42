"""``pi-export convert``: make a network ready for ncnn, too."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.program import print_to_stdout
from export.commands.arguments import add_card_option

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(commands: "Subparsers") -> None:
    """Add ``pi-export convert`` to the commands of the parser."""
    parser = commands.add_parser(
        "convert",
        help="make a network ready for ncnn, too",
        description="Add to a network what ncnn needs to run it: one file, which onnxruntime runs as before. "
        "It is written once ncnn was seen to answer as onnxruntime does.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    add_card_option(parser)
    parser.add_argument(
        "-o", dest="output", type=Path, metavar="OUT.onnx", help="the file to write (default: MODEL itself)"
    )
    parser.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from edge_runtime.model.engines.select import load_engine  # noqa: PLC0415
    from export.network.source import read_source  # noqa: PLC0415  onnx and onnxruntime load here

    source = read_source(arguments.model)
    load_engine("ncnn")
    from export.convert.for_ncnn import convert_for_ncnn  # noqa: PLC0415  ncnn loads here

    output = arguments.output or arguments.model
    difference = convert_for_ncnn(source, output, arguments.input)
    print_to_stdout(
        f"{output} runs under onnxruntime and ncnn, whose outputs differ by at most {difference:.1e} of the "
        "largest value"
    )
    return 0
