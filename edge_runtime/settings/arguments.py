"""Types of arguments for the commands of both programs: text to value, or one line on what was expected."""

import argparse
import math
import re
from collections.abc import Callable

ENGINES = ("onnxruntime", "ncnn")  # what can run a network; the first is always there
AUTO = "auto"  # whichever of them is faster
LONGEST_MINUTES = 10_080  # a week
LONGEST_SECONDS = 86_400  # a day: whoever gives more has mistaken the unit


def positive(text: str) -> int:
    """An argument type: a whole number from 1."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def whole(text: str) -> int:
    """An argument type: a whole number from 0."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def ratio(text: str) -> float:
    """An argument type: a finite number from 1."""
    value = _number(text)
    if not 1 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1, such as 2.5")
    return value


def positive_ms(text: str) -> float:
    """An argument type: a number of milliseconds above 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds above 0")
    return value


def percent(text: str) -> float:
    """An argument type: a number from 0 to 100."""
    value = _number(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 100")
    return value


def positive_minutes(text: str) -> float:
    """An argument type: minutes, above 0 and up to a week."""
    value = _number(text)
    if not 0 < value <= LONGEST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0 and up to 10080")
    return value


def positive_seconds(text: str) -> float:
    """An argument type: a time above 0 and up to a day."""
    value = _number(text)
    if not 0 < value <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0 and up to 86400")
    return value


def engine_list(text: str) -> tuple[str, ...]:
    """An argument type: names of engines with commas between them."""
    engines = tuple(text.split(","))
    unknown = next((engine for engine in engines if engine not in ENGINES), None)
    if unknown is not None or len(set(engines)) < len(engines):
        raise argparse.ArgumentTypeError(f"{text!r} is not {' or '.join(ENGINES)}, or both")
    return engines


def one_of(*values: str) -> Callable[[str], str]:
    """A check that a text is one of some values; it raises ``ValueError`` that names them."""

    def check(text: str) -> str:
        if text not in values:
            raise ValueError(f"must be {', '.join(values[:-1])} or {values[-1]}")
        return text

    return check


def class_list(text: str) -> list[str]:
    """Names or numbers of classes, with commas between them. Raises ``ValueError`` where one is empty."""
    classes = [name.strip() for name in text.split(",")]
    if not all(classes):
        raise ValueError("must be names or numbers of classes, with commas between them")
    return classes


def _number(text: str) -> float:
    """The number a text means; NaN, which no bounds contain, where it means none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
