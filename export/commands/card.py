"""``pi-export card``: write, show or propose what a network needs to be run right."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.base.program import print_to_stderr, print_to_stdout
from edge_runtime.settings.help import example
from export.commands.arguments import add_card_option
from export.commands.printing import show

if TYPE_CHECKING:
    from edge_runtime.model.card import ModelCard
    from edge_runtime.settings.command_line import Subparsers
    from export.network.source import SourceModel


def add(commands: "Subparsers") -> None:
    """Add ``pi-export card`` to the commands of the parser."""
    parser = commands.add_parser(
        "card",
        help="write, show or propose what a network needs to be run right",
        epilog=example("pi-export card net.onnx --input card.json"),
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--show", action="store_true", help="show the card instead of writing one")
    choice.add_argument(
        "--propose", action="store_true", help="write the likeliest card as JSON, to be corrected, instead"
    )
    add_card_option(choice)
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        metavar="OUT",
        help="the file to write: OUT.onnx (default: MODEL itself); with --propose OUT.json (default: "
        "standard output)",
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
    if arguments.propose:
        return _propose(source, arguments.output)
    card = source.find_card(arguments.input)
    if card is None:
        card, source = _certain(source)
    output = arguments.output or arguments.model
    show(card_table(write_card(source, output, card), str(output)))
    return 0


def _propose(source: "SourceModel", output: Path | None) -> int:
    from edge_runtime.base.files import write_text  # noqa: PLC0415
    from export.commands.tables import proposal_table  # noqa: PLC0415
    from export.propose.propose import propose  # noqa: PLC0415

    if output is not None and output.suffix != ".json":
        raise InputError(
            "--propose writes a card as JSON: give -o OUT.json, correct it, and pass it by --input"
        )
    proposal, _ = propose(source)
    if output is None:
        for field in proposal.guesses:
            print_to_stderr(f"pi-export: {field.key} is a guess: {field.why}")
        print_to_stdout(proposal.to_json().rstrip())
        return 0
    write_text(output, proposal.to_json())
    show(proposal_table(proposal, str(output)))
    return 0


def _certain(source: "SourceModel") -> "tuple[ModelCard, SourceModel]":
    """The card of a network that has none, where its exporter wrote enough into it, and what it is for.

    Raises:
        InputError: Parts of it would be guesses, which are shown.
        ModelRefusedError: Its outputs cannot be decoded.
    """
    from export.commands.tables import proposal_table  # noqa: PLC0415
    from export.propose.propose import propose  # noqa: PLC0415

    proposal, source = propose(source)
    remedy = f"'pi-export card {source.path} --propose -o CARD.json'"
    if proposal.guesses:
        show(proposal_table(proposal, f"{source.path}: a proposal, not written"))
        raise InputError(
            f"{source.path} has no model card, and the likeliest one holds guesses: write it with {remedy}, "
            "correct it, and pass it by --input CARD.json"
        )
    if proposal.undecoded:
        raise ModelRefusedError(
            f"{source.path}: {proposal.undecoded}; {remedy} gives a card of task 'raw', which hands its "
            "outputs on as they are"
        )
    return proposal.card(f"the card from the metadata of {source.path}"), source
