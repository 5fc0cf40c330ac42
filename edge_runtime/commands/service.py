"""``pi-infer service``: run under systemd."""

import argparse
from typing import TYPE_CHECKING

from edge_runtime.base.hangup import hangups_passed_over
from edge_runtime.base.program import log_to_stdout
from edge_runtime.commands.source import require_source
from edge_runtime.settings.flags import add_flags, effective
from edge_runtime.settings.help import example
from edge_runtime.settings.needs import refuse_idle_flags
from edge_runtime.settings.output_sections import OUTPUT_SECTIONS

if TYPE_CHECKING:
    from edge_runtime.settings.command_line import Subparsers


def add(subparsers: "Subparsers") -> None:
    """Add ``pi-infer service`` to the commands of the parser."""
    parser = subparsers.add_parser(
        "service",
        epilog=example("pi-infer service --camera --model /opt/pi-infer/models/small.onnx"),
        help="run under systemd",
        description="Run under systemd: ready at the first result, a watchdog ping per result.",
    )
    sections = ("source", "picamera", "model", "service", *OUTPUT_SECTIONS)
    add_flags(parser, sections)
    parser.set_defaults(handler=_run, sections=sections)


def _run(arguments: argparse.Namespace) -> int:
    config = effective(arguments)
    require_source(config)
    refuse_idle_flags(arguments, config, unattended=True)
    with hangups_passed_over():
        from edge_runtime.runs import service  # noqa: PLC0415  numpy, OpenCV and onnxruntime load here

        return service.run(config, log=log_to_stdout)
