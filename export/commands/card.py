"""``pi-export card``: write or show what a network needs to be run right."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.errors import InputError
from export.commands.arguments import add_card_option
from export.commands.printing import show

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command."""
    parser = commands.add_parser("card", help="write or show what a network needs to be run right")
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--show", action="store_true", help="show the card instead of writing one")
    add_card_option(choice)
    parser.add_argument(
        "-o", dest="output", type=Path, metavar="OUT.onnx", help="the file to write (default: MODEL itself)"
    )
    parser.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from export.commands.tables import card_table  # noqa: PLC0415
    from export.network.card import write_card  # noqa: PLC0415  onnx and onnxruntime load here
    from export.network.source import read_source  # noqa: PLC0415

    if arguments.show and arguments.output:
        raise InputError("--show writes nothing; leave out -o")
    source = read_source(arguments.model)
    if arguments.show:
        show(card_table(source.require_card(), str(arguments.model)))
        return 0
    output = arguments.output or arguments.model
    show(card_table(write_card(source, output, arguments.input), str(output)))
    return 0
