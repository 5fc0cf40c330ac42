"""``pi-export profile``: what each candidate for a layer costs on a machine."""

import argparse
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import require_writable, write_text
from edge_runtime.base.program import print_to_stdout
from edge_runtime.settings.arguments import ENGINES, positive
from edge_runtime.settings.help import example
from export.commands.arguments import add_card_option, method_names
from export.reduction import defaults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.settings.command_line import Subparsers
    from export.choose.places import Place


def add(commands: "Subparsers") -> None:
    """Add ``pi-export profile`` to the commands of the parser."""
    parser = commands.add_parser(
        "profile",
        epilog=example("pi-export profile net.onnx --host pi -o pi.json"),
        help="measure what each candidate for a layer costs on a machine",
        description="Time the layers of a network, and what they may become, here or over SSH: a table for "
        "'pi-export reduce --cost TABLE.json'.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="an ONNX file")
    parser.add_argument(
        "-o", dest="output", type=Path, required=True, metavar="TABLE.json", help="the file to write"
    )
    parser.add_argument(
        "--engine", choices=ENGINES, default=ENGINES[0], help="what runs the network (default: %(default)s)"
    )
    parser.add_argument(
        "--precision",
        choices=defaults.PRECISIONS,
        default=defaults.PRECISIONS[0],
        help="what it shall compute in (default: %(default)s)",
    )
    parser.add_argument(
        "--methods",
        type=method_names,
        default="auto",
        metavar="auto|NAME,...",
        help="ways a layer may be reduced, by name (default: auto)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads of one inference (default: all here)",
    )
    remote = parser.add_argument_group("on another machine")
    remote.add_argument("--host", metavar="HOST", help="measure there, over SSH; pi-infer is installed there")
    remote.add_argument("--ssh-config", type=Path, metavar="FILE", help="as 'ssh -F'")
    remote.add_argument("--remote-command", metavar="COMMAND", help="pi-infer there (default: pi-infer)")
    add_card_option(parser)
    parser.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from export.commands.progress_bars import progress_bars  # noqa: PLC0415  numpy and onnx load here
    from export.reduction.profile_file import profile  # noqa: PLC0415

    require_writable(arguments.output)
    with progress_bars() as progress, _place(arguments) as place:
        table = profile(
            arguments.model,
            engine=arguments.engine,
            precision=arguments.precision,
            methods=arguments.methods,
            threads=arguments.threads,
            card=arguments.input,
            place=place,
            progress=progress,
        )
    write_text(arguments.output, table.to_json())
    print_to_stdout(
        f"{arguments.output}: {len(table.points) + len(table.between)} convolutions in {table.precision} "
        f"under {table.engine}, {table.threads} threads; the network takes {table.network_ns / 1e6:.3g} ms"
        + (f", in {table.precision} {table.whole_ns / 1e6:.3g} ms" if table.whole_ns else "")
    )
    return 0


@contextmanager
def _place(arguments: argparse.Namespace) -> "Iterator[Place]":
    """Where to measure: the connection is open while this context is entered."""
    from edge_runtime.remote.host import RemoteHost  # noqa: PLC0415
    from export.choose.places import OtherMachine, ThisMachine  # noqa: PLC0415

    config, command = arguments.ssh_config, arguments.remote_command
    if arguments.host is None:
        if config is not None or command is not None:
            raise InputError("--ssh-config and --remote-command do nothing without --host")
        yield ThisMachine()
        return
    with RemoteHost(arguments.host, ssh_config=config, command=command or "pi-infer") as remote:
        yield OtherMachine(remote)
