"""``pi-infer``: the parser and the exit codes; each command is a file in ``commands``.

Commands import what they need when they run, so that ``pi-infer --help`` starts at once. The parser is
imported once Ctrl-C is in our hands.
"""

import sys
from typing import TYPE_CHECKING

from edge_runtime.base.interrupts import own_process

if TYPE_CHECKING:
    import argparse

    from edge_runtime.settings.command_line import CommandParser

EXTRAS = {"rich": "tty", "paho": "mqtt"}
RELIEF = "end other programs, or run a smaller network"


def main(argv: list[str] | None = None) -> int:
    """Run ``pi-infer``.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit code: see ``base.errors``; 130 after Ctrl-C, 141 when the reader of our output went away.
    """
    if argv is None:
        own_process()
    from edge_runtime.base.program import run_program  # noqa: PLC0415

    return run_program(_parser(), argv, extras=EXTRAS, relief=RELIEF, before=_refuse_foreign)


def _parser() -> "CommandParser":
    from edge_runtime import __version__  # noqa: PLC0415
    from edge_runtime.commands import bench, config, doctor, live, service, trials  # noqa: PLC0415
    from edge_runtime.settings.command_line import CommandParser  # noqa: PLC0415
    from edge_runtime.settings.help import example  # noqa: PLC0415

    parser = CommandParser(
        prog="pi-infer",
        description="Run a network on live frames; without a command, show its results.",
        epilog=example("pi-infer --camera --model small.onnx --web", "pi-infer --source demo --frames 60"),
    )
    parser.add_argument("--version", action="version", version=f"pi-infer {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    live.add(parser)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in (service, config, doctor, bench, trials):
        command.add(subparsers)
    return parser


def _refuse_foreign(arguments: "argparse.Namespace") -> None:
    from edge_runtime.settings.needs import refuse_foreign_flags  # noqa: PLC0415

    refuse_foreign_flags(arguments, arguments.sections)


if __name__ == "__main__":
    sys.exit(main())
