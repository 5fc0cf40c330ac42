"""``pi-export inspect``: the layers of a network and what they cost."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.settings.help import example
from export.commands.arguments import add_card_option, add_json_option, size
from export.commands.printing import show

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(commands: "Subparsers") -> None:
    """Add ``pi-export inspect`` to the commands of the parser."""
    parser = commands.add_parser(
        "inspect",
        help="list the layers of a network and what they cost",
        epilog=example("pi-export inspect net.onnx --input-size 224x224"),
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    parser.add_argument(
        "--input-size", type=size, metavar="HxW", help="height and width of the input, where it is free"
    )
    add_card_option(parser)
    add_json_option(parser)
    parser.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from export.commands.tables import layer_table  # noqa: PLC0415
    from export.network.inspection import inspect  # noqa: PLC0415  onnx loads here
    from export.report.write import write_json  # noqa: PLC0415

    inspection = inspect(arguments.model, arguments.input_size, arguments.input)
    if arguments.json:
        write_json(arguments.json, inspection.to_document())
    show(layer_table(inspection))
    return 0
