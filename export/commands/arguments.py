"""Types of the arguments of ``pi-export``: text to value, or one line that says what was expected."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from export.calibrate.padding import SquarePadding


def size(text: str) -> tuple[int, int]:
    """An argument type: ``HxW`` in pixels, read as height and width."""
    sides = re.fullmatch(r"([0-9]{1,4})[xX]([0-9]{1,4})", text)
    height, width = (int(side) for side in sides.groups()) if sides else (0, 0)
    if height < 1 or width < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a height and width such as 224x224")
    return height, width


def method_names(text: str) -> tuple[str, ...]:
    """An argument type: ``auto``, or names of methods with commas between them, read as a tuple of names."""
    from export.methods import AUTO, NAMES  # noqa: PLC0415  loads numpy

    names = AUTO if text == "auto" else tuple(text.split(","))
    unknown = next((name for name in names if name not in NAMES), None)
    if unknown is not None:
        raise argparse.ArgumentTypeError(f"no method {unknown!r}; there are auto, {', '.join(NAMES)}")
    return names


def padding(text: str) -> "SquarePadding":
    """An argument type: ``FACTOR`` or ``FACTOR:GREY``, the grey square that images are padded to."""
    from export.calibrate.padding import parse_padding  # noqa: PLC0415  OpenCV loads here

    try:
        return parse_padding(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a padding such as 1.4:127") from error


def add_card_option(parser: "argparse._ActionsContainer") -> None:
    """Give a command the option ``--input``: a model card in place of the network's own."""
    parser.add_argument(
        "--input", type=Path, metavar="CARD.json", help="a model card to use instead of the network's"
    )


def add_report_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--report``: a page for people."""
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="write report.html, report.md and report.json there"
    )


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Give a command the option ``--json``: a file to write its result to as well."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result as JSON")
