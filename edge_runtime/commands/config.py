"""``pi-infer config``: check a file of settings, or show those in force."""

import argparse
from typing import TYPE_CHECKING

from edge_runtime.base.program import print_to_stdout
from edge_runtime.settings.config import SETTINGS
from edge_runtime.settings.flags import add_flags, effective
from edge_runtime.settings.help import example

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(subparsers: "Subparsers") -> None:
    """Add ``pi-infer config`` to the commands of the parser."""
    parser = subparsers.add_parser(
        "config",
        epilog=example("pi-infer config --config pi-infer.toml --show"),
        help="check a file of settings, or show those in force",
        description="Check a file of settings (--config) and flags; with --show, print what they amount to.",
    )
    parser.add_argument("--show", action="store_true", help="print the settings in force, as such a file")
    add_flags(parser)
    parser.set_defaults(handler=_run, sections=tuple(SETTINGS))


def _run(arguments: argparse.Namespace) -> int:
    from edge_runtime.settings.toml import to_toml  # noqa: PLC0415  only this command needs it

    config = effective(arguments)
    print_to_stdout(to_toml(config).rstrip("\n") if arguments.show else "the settings are valid")
    return 0
