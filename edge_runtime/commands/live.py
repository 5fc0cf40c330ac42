"""``pi-infer`` without a command: live results of a camera or another source."""

import argparse
import importlib.util
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from edge_runtime.base.hangup import hangups_passed_over
from edge_runtime.base.program import print_to_stderr, print_to_stdout
from edge_runtime.commands.source import require_source
from edge_runtime.settings.command_line import CommandParser
from edge_runtime.settings.config import Config
from edge_runtime.settings.flags import add_flags, effective
from edge_runtime.settings.needs import refuse_idle_flags
from edge_runtime.settings.output_sections import OUTPUT_SECTIONS

if TYPE_CHECKING:
    from edge_runtime.runs.live import Panel


def add(parser: CommandParser) -> None:
    """Give the main parser the flags of a live run, which is what ``pi-infer`` does without a command."""
    sections = ("source", "picamera", "model", "live", *OUTPUT_SECTIONS)
    add_flags(parser, sections)
    parser.set_defaults(handler=_run, sections=sections)


def _run(arguments: argparse.Namespace) -> int:
    config = effective(arguments)
    require_source(config)
    refuse_idle_flags(arguments, config, unattended=False)
    with nullcontext() if config.jsonl.path in (None, "-") else hangups_passed_over():
        from edge_runtime.runs import live  # noqa: PLC0415  numpy, OpenCV and onnxruntime load here

        show = print_to_stderr if config.jsonl.path == "-" else print_to_stdout
        return live.run(config, show=show, panel=_panel(config))


def _panel(config: Config) -> "Panel | None":
    """The view for a terminal, where standard output is one and is free, and rich is there."""
    if config.live.plain or config.jsonl.path == "-" or not sys.stdout.isatty():
        return None
    if os.environ.get("TERM", "dumb") == "dumb" or importlib.util.find_spec("rich") is None:
        return None
    from edge_runtime.commands.terminal import TerminalView  # noqa: PLC0415  rich loads here

    return TerminalView
