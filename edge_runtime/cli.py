"""``pi-infer``: read the command line, call, print, and end with the exit code of ``errors``.

The only module of this package that prints. Each subcommand is one ``_add_NAME`` function and one ``_NAME``
handler that imports what it needs when it runs, so that ``pi-infer --help`` starts at once.
"""

import argparse
import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_runtime import __version__
from edge_runtime.command_line import CommandParser, positive, positive_seconds, threads
from edge_runtime.config import SETTINGS, Config
from edge_runtime.config_flags import add_flags, effective
from edge_runtime.config_idle import refuse_foreign_flags, refuse_idle_flags
from edge_runtime.config_outputs import OUTPUT_SECTIONS
from edge_runtime.errors import InputError, PiInferError, one_line
from edge_runtime.standard_streams import discard_stdout, survive_any_terminal

if TYPE_CHECKING:
    from edge_runtime.live import Panel
    from edge_runtime.pipeline import RunSettings
    from edge_runtime.report import BenchReport

    Subparsers = argparse._SubParsersAction[CommandParser]  # noqa: SLF001  argparse gives it no public name

INTERRUPTED = 130
BROKEN_PIPE = 141

Handler = Callable[[argparse.Namespace], int]


def main(argv: list[str] | None = None) -> int:
    """Run ``pi-infer``.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit code: see ``errors``; 130 after Ctrl-C, 141 when the reader of our output went away.
    """
    survive_any_terminal("pi-infer")
    arguments = _parser().parse_args(argv)
    handler: Handler = arguments.handler
    try:
        refuse_foreign_flags(arguments, arguments.sections)
        code = handler(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        discard_stdout()
        return BROKEN_PIPE
    except Exception as error:
        if arguments.debug:
            raise
        return _report(error)
    return code


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="pi-infer",
        description="Run a network on live frames; without a command, show its results.",
    )
    parser.add_argument("--version", action="version", version=f"pi-infer {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    _add_live(parser)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_service(subparsers)
    _add_config(subparsers)
    _add_doctor(subparsers)
    _add_bench(subparsers)
    return parser


def _add_live(parser: CommandParser) -> None:
    sections = ("source", "picamera", "model", "live", *OUTPUT_SECTIONS)
    add_flags(parser, sections)
    parser.set_defaults(handler=_live, sections=sections)


def _live(arguments: argparse.Namespace) -> int:
    config = effective(arguments)
    settings = _run_settings(config)
    refuse_idle_flags(arguments, config, unattended=False)
    from edge_runtime import live  # noqa: PLC0415  numpy, OpenCV and onnxruntime load here

    show = _print_to_stderr if config.jsonl.path == "-" else _print_to_stdout
    return live.run(settings, config, show=show, panel=_panel(config))


def _panel(config: Config) -> "Panel | None":
    """The view for a terminal, where standard output is one and is free, and rich is there."""
    if config.live.plain or config.jsonl.path == "-" or not sys.stdout.isatty():
        return None
    if os.environ.get("TERM", "dumb") == "dumb" or importlib.util.find_spec("rich") is None:
        return None
    from edge_runtime.terminal import TerminalView  # noqa: PLC0415  rich loads here

    return TerminalView


def _add_service(subparsers: "Subparsers") -> None:
    parser = subparsers.add_parser(
        "service",
        help="run under systemd",
        description="Run under systemd: ready at the first result, a watchdog ping per result.",
    )
    sections = ("source", "picamera", "model", "service", *OUTPUT_SECTIONS)
    add_flags(parser, sections)
    parser.set_defaults(handler=_service, sections=sections)


def _service(arguments: argparse.Namespace) -> int:
    config = effective(arguments)
    settings = _run_settings(config)
    refuse_idle_flags(arguments, config, unattended=True)
    from edge_runtime import service  # noqa: PLC0415  numpy, OpenCV and onnxruntime load here

    return service.run(settings, config, log=_log_to_stdout)


def _add_config(subparsers: "Subparsers") -> None:
    parser = subparsers.add_parser(
        "config",
        help="check a file of settings, or show those in force",
        description="Check a file of settings (--config) and flags; with --show, print what they amount to.",
    )
    parser.add_argument("--show", action="store_true", help="print the settings in force, as such a file")
    add_flags(parser)
    parser.set_defaults(handler=_config, sections=tuple(SETTINGS))


def _config(arguments: argparse.Namespace) -> int:
    from edge_runtime.config_file import to_toml  # noqa: PLC0415  only this command needs it

    config = effective(arguments)
    _print_to_stdout(to_toml(config).rstrip("\n") if arguments.show else "the settings are valid")
    return 0


def _add_doctor(subparsers: "Subparsers") -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="look for every known trouble of this machine",
        description="Look for every known trouble of this machine, each with its remedy. "
        "Ends with 1 if there is a problem; warnings do not count.",
    )
    parser.add_argument("--model", type=Path, metavar="M", help="the network to try (default: the demo's)")
    parser.add_argument("--json", metavar="FILE", help="write the findings as JSON ('-' is standard output)")
    parser.set_defaults(handler=_doctor, sections=())


def _doctor(arguments: argparse.Namespace) -> int:
    from edge_runtime import doctor  # noqa: PLC0415  only this command needs it
    from edge_runtime.files import require_writable, write_text  # noqa: PLC0415

    json_file = None if arguments.json in (None, "-") else Path(arguments.json)
    if json_file is not None:
        require_writable(json_file)
    diagnosis = doctor.diagnose(arguments.model)
    if json_file is not None:
        write_text(json_file, doctor.to_json(diagnosis))
    if arguments.json == "-":
        _print_to_stdout(doctor.to_json(diagnosis).rstrip("\n"))
    else:
        _print_to_stdout(doctor.to_text(diagnosis, colour=sys.stdout.isatty()))
    return diagnosis.exit_code


def _add_bench(subparsers: "Subparsers") -> None:
    parser = subparsers.add_parser(
        "bench",
        help="time a network, or compare it with another, here or over SSH",
        description="Time a network, or compare it with a baseline: a fresh process for each and round, "
        "the order alternated. Runs that were disturbed are marked.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the ONNX network")
    parser.add_argument("--baseline", type=Path, metavar="BASE", help="the network to compare it with")
    parser.add_argument(
        "--source",
        metavar="FILE|DIR|URL|demo",
        help="time the whole path of these frames, decoded beforehand (default: session.run on one frame)",
    )
    parser.add_argument(
        "--input", type=Path, metavar="CARD.json", help="a model card to use instead of the networks' own"
    )
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        default=2.0,
        metavar="S",
        help="seconds for each network in each round, after the warm-up (default: 2)",
    )
    parser.add_argument(
        "--rounds", type=positive, default=5, metavar="R", help="processes for each network (default: 5)"
    )
    parser.add_argument(
        "--threads", type=threads, metavar="N", help="threads of one inference (default: all)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON ('-' is standard output)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report as Markdown")
    remote = parser.add_argument_group("on another machine")
    remote.add_argument("--host", metavar="HOST", help="measure there, over SSH; --source is read there")
    remote.add_argument("--ssh-config", type=Path, metavar="FILE", help="as 'ssh -F'")
    remote.add_argument("--remote-command", metavar="COMMAND", help="pi-infer there (default: pi-infer)")
    parser.set_defaults(handler=_bench, sections=())


def _bench(arguments: argparse.Namespace) -> int:
    from edge_runtime import report  # noqa: PLC0415  only this command needs it
    from edge_runtime.files import require_writable, write_text  # noqa: PLC0415

    json_file = None if arguments.json in (None, "-") else Path(arguments.json)
    for file in filter(None, (json_file, arguments.markdown)):
        require_writable(file)
    found = _measure(arguments)
    if json_file is not None:
        write_text(json_file, report.to_json(found))
    if arguments.markdown is not None:
        write_text(arguments.markdown, report.markdown(found))
    text = report.to_json(found) if arguments.json == "-" else report.table(found)
    _print_to_stdout(text.rstrip("\n"))
    return 0


def _measure(arguments: argparse.Namespace) -> "BenchReport":
    from edge_runtime import benchmark  # noqa: PLC0415  numpy loads here
    from edge_runtime.remote import RemoteHost  # noqa: PLC0415

    settings = benchmark.BenchSettings(
        model=arguments.model,
        baseline=arguments.baseline,
        source=arguments.source,
        card=arguments.input,
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        threads=arguments.threads,
    )
    config, command = arguments.ssh_config, arguments.remote_command
    if arguments.host is None:
        if config is not None or command is not None:
            raise InputError("--ssh-config and --remote-command do nothing without --host")
        return benchmark.bench(settings, _print_to_stderr)
    command = command or "pi-infer"
    remote = RemoteHost(arguments.host, ssh_config=config, command=command, progress=_print_to_stderr)
    return benchmark.bench_on(remote, settings)


def _run_settings(config: Config) -> "RunSettings":
    if config.source.camera is None and config.source.location is None:
        raise InputError(
            "nothing to run on: give --camera, or --source with a video, a folder, a URL or demo"
        )
    from edge_runtime.pipeline import RunSettings  # noqa: PLC0415  numpy, OpenCV and onnxruntime load here

    return RunSettings(
        model=config.model.path,
        source=config.source,
        picamera=config.picamera,
        card=config.model.input,
        threads=config.model.threads,
    )


def _print_to_stdout(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        raise InputError(f"cannot write to standard output: {error.strerror}") from error


def _log_to_stdout(line: str) -> None:
    """For the service, which goes on where its log is full."""
    with contextlib.suppress(InputError):
        _print_to_stdout(line)


def _print_to_stderr(line: str) -> None:
    with contextlib.suppress(OSError):  # words about the work, which must not fail for want of them
        print(line, file=sys.stderr, flush=True)


def _report(error: Exception) -> int:
    message = str(error) if isinstance(error, PiInferError) else f"{type(error).__name__}: {error}"
    _print_to_stderr(f"pi-infer: error: {one_line(' '.join(message.split()))}")
    return error.exit_code if isinstance(error, PiInferError) else 1


if __name__ == "__main__":
    sys.exit(main())
