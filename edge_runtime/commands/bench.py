"""``pi-infer bench``: time a network, or compare it with another, here or over SSH."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import require_writable, write_text
from edge_runtime.base.locations import STANDARD_INPUT
from edge_runtime.base.program import print_to_stderr, print_to_stdout
from edge_runtime.bench.settings import BenchSettings
from edge_runtime.settings.arguments import engine_list, positive, positive_seconds
from edge_runtime.settings.flags import borrow_flag
from edge_runtime.settings.help import example

if TYPE_CHECKING:
    from edge_runtime.bench.report import BenchReport
    from edge_runtime.settings.command_line import Subparsers


def add(subparsers: "Subparsers") -> None:
    """Add ``pi-infer bench`` to the commands of the parser."""
    parser = subparsers.add_parser(
        "bench",
        epilog=example("pi-infer bench small.onnx --baseline net.onnx --threads 1 --host pi"),
        help="time a network, or compare it with another, here or over SSH",
        description="Time a network, or compare it with a baseline: a fresh process for each and round, "
        "the order alternated. Runs that were disturbed are marked.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the ONNX network")
    parser.add_argument("--baseline", type=Path, metavar="BASE", help="the network to compare it with")
    words = "time the whole path of these frames, decoded beforehand (default: session.run on one frame)"
    borrow_flag(parser, "source", "location", words)
    borrow_flag(parser, "model", "input", "a model card to use instead of the networks' own")
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        default=BenchSettings.seconds,
        metavar="S",
        help="seconds for each network in each round, after the warm-up (default: %(default)g)",
    )
    parser.add_argument(
        "--rounds",
        type=positive,
        default=BenchSettings.rounds,
        metavar="R",
        help="processes for each network (default: %(default)d)",
    )
    borrow_flag(parser, "model", "threads")
    parser.add_argument(
        "--engine",
        type=engine_list,
        default=BenchSettings.engines,
        metavar="E[,E]",
        help="onnxruntime or ncnn, or both with a comma between them, side by side (default: onnxruntime)",
    )
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON ('-' is standard output)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report as Markdown")
    remote = parser.add_argument_group("on another machine")
    remote.add_argument("--host", metavar="HOST", help="measure there, over SSH; --source is read there")
    remote.add_argument("--ssh-config", type=Path, metavar="FILE", help="as 'ssh -F'")
    remote.add_argument("--remote-command", metavar="COMMAND", help="pi-infer there (default: pi-infer)")
    parser.set_defaults(handler=_run, sections=())


def _run(arguments: argparse.Namespace) -> int:
    from edge_runtime.bench import report  # noqa: PLC0415  only this command needs it

    json_file = None if arguments.json in (None, "-") else Path(arguments.json)
    for file in filter(None, (json_file, arguments.markdown)):
        require_writable(file)
    measured = _measure(arguments)
    if json_file is not None:
        write_text(json_file, report.to_json(measured))
    if arguments.markdown is not None:
        write_text(arguments.markdown, report.markdown(measured))
    text = report.to_json(measured) if arguments.json == "-" else report.table(measured)
    print_to_stdout(text.rstrip("\n"))
    return 0


def _measure(arguments: argparse.Namespace) -> "BenchReport":
    from edge_runtime.bench import run as benchmark  # noqa: PLC0415  numpy loads here
    from edge_runtime.remote.host import RemoteHost  # noqa: PLC0415

    settings = BenchSettings(
        model=arguments.model,
        baseline=arguments.baseline,
        source=arguments.source,
        card=arguments.input,
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        threads=arguments.threads,
        engines=arguments.engine,
    )
    if arguments.source == STANDARD_INPUT:
        raise InputError("bench cannot read standard input, which several processes would share: give a file")
    config, command = arguments.ssh_config, arguments.remote_command
    if arguments.host is None:
        if config is not None or command is not None:
            raise InputError("--ssh-config and --remote-command do nothing without --host")
        return benchmark.bench(settings, print_to_stderr)
    command = command or "pi-infer"
    remote = RemoteHost(arguments.host, ssh_config=config, command=command, progress=print_to_stderr)
    return benchmark.bench_on(remote, settings)
