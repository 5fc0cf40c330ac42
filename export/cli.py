"""``pi-export``: the parser and the exit codes; each command is a file in ``commands``.

Commands import what they need when they run, so that ``pi-export --help`` starts at once. The parser is
imported once Ctrl-C is in our hands.
"""

import os
import resource
import sys
from typing import TYPE_CHECKING

from edge_runtime.base.interrupts import own_process

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import CommandParser

EXTRAS = {
    "onnx": "export",
    "rich": "export",
    "threadpoolctl": "export",
    "matplotlib": "export",
    "torch": "recover",
}
RELIEF = "use fewer images or a smaller input"


def main(argv: list[str] | None = None) -> int:
    """Run ``pi-export``.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit code: see ``base.errors``; 130 after Ctrl-C, 141 when the reader of our output went away.
    """
    if argv is None:
        own_process()
    from edge_runtime.base.program import run_program  # noqa: PLC0415

    _limit_memory()
    return run_program(_parser(), argv, extras=EXTRAS, relief=RELIEF)


def _parser() -> "CommandParser":
    from edge_runtime import __version__  # noqa: PLC0415
    from edge_runtime.settings.command_line import CommandParser  # noqa: PLC0415
    from edge_runtime.settings.help import example  # noqa: PLC0415
    from export.commands import (  # noqa: PLC0415
        card,
        convert,
        evaluate,
        inspect,
        profile,
        quantise,
        recover,
        reduce,
        report,
    )

    parser = CommandParser(
        prog="pi-export",
        description="Make a trained ONNX network faster and smaller, without training.",
        epilog=example("pi-export reduce net.onnx --images photos -o small.onnx --speedup 2"),
    )
    parser.add_argument("--version", action="version", version=f"pi-export {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (inspect, profile, reduce, recover, quantise, convert, evaluate, card, report):
        command.add(commands)
    return parser


def _limit_memory() -> None:
    """Ask for no more memory than the machine has: a few bytes of ONNX can claim any amount of it.

    Beyond the limit an allocation fails and is reported; without it the kernel would kill us, or others.
    """
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY or soft > machine:
        resource.setrlimit(resource.RLIMIT_DATA, (machine, hard))


if __name__ == "__main__":
    sys.exit(main())
