"""How one setting is declared, and how its values are checked."""

import difflib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from edge_runtime.base.names import readable

MOST_THREADS = 256  # more than any Pi or workstation has processors; onnxruntime takes memory for each


@dataclass(frozen=True)
class Option:
    """How one setting is given and what it may be.

    Attributes:
        flag: Its flag on the command line.
        help: One line for ``--help``, which adds the default; only what None amounts to is said here.
        metavar: What the value is called there.
        bare: The value of a flag that stands alone; None where it needs one.
        low: Smallest number, included.
        high: Largest number, included.
        names_file: Whether a relative value in the file is meant from the file's own folder.
        check: Raises ``ValueError`` that says what the value must be.
    """

    flag: str
    help: str
    metavar: str = ""
    bare: str | None = None
    low: float = -math.inf
    high: float = math.inf
    names_file: bool = False
    check: Callable[[Any], object] | None = None


@dataclass(frozen=True)
class Setting:
    """One declared setting, as the readers see it.

    Attributes:
        section: The section of the file that it stands in.
        key: Its key in that section.
        kind: ``int``, ``float``, ``bool``, ``str`` or ``Path``.
        option: How the setting is given and what it may be.
        default: The value where nobody gives one; None where the setting then has none.
    """

    section: str
    key: str
    kind: type
    option: Option
    default: Any

    @property
    def help(self) -> str:
        """One line about the setting, with its default; that a switch is off needs no words."""
        if self.default is None or self.default is False:
            return self.option.help
        default = "yes" if self.default is True else str(self.default).removesuffix(".0")
        return f"{self.option.help} (default: {default})"

    def checked(self, value: Any) -> Any:
        """A value in the setting's own type. Raises ``ValueError`` that says what it must be."""
        if self.kind in (int, float):
            return self._checked_number(value)
        if self.kind is bool:
            # Not isinstance() here and below: to Python true is a number, and 1 is none of ours.
            if type(value) is not bool:
                raise ValueError("must be true or false")
            return value
        # A file's name may hold bytes that are no text.
        text = readable(value) if self.option.names_file else value
        if not isinstance(value, str) or not value or not text.isprintable():
            raise ValueError("must be a text that is not empty, in printable characters")
        if self.option.check is not None:
            self.option.check(value)
        return self.kind(value)

    def _checked_number(self, value: Any) -> Any:
        option = self.option
        accepted = (int,) if self.kind is int else (int, float)
        if type(value) in accepted and option.low <= value <= option.high:
            if option.check is not None:
                option.check(value)
            return self.kind(value)
        wanted = "a whole number" if self.kind is int else "a number"
        if math.isfinite(option.low):
            wanted += f" from {option.low:.9g}"
        if math.isfinite(option.high):
            wanted += f" to {option.high:.9g}"
        raise ValueError(f"must be {wanted}")


def shown(value: Any) -> str:
    """A wrong value for a message: short, on one line, and as TOML writes it where that differs."""
    if isinstance(value, bool):
        return str(value).lower()
    # Python refuses to write numbers of more than 4300 digits, and nobody would read them.
    if isinstance(value, int) and value.bit_length() > 64:
        return "so large a number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def closest(name: str, known: Iterable[str], alike: float = 0.5) -> str | None:
    """The known name that is most like a wrong one; None if none is.

    Args:
        name: The wrong one.
        known: The right ones.
        alike: How much of it must agree, 0 to 1. The default is below Python's own 0.6: a far guess is shown
            as a question, and costs nothing.
    """
    spelt = {each.lower(): each for each in known}
    matches = difflib.get_close_matches(name.lower(), spelt, n=1, cutoff=alike)
    return spelt[matches[0]] if matches else None


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a wrong name: the closest right one, or all of them."""
    known = list(known)
    close = closest(name, known)
    return f"did you mean {close!r}?" if close else f"known are {', '.join(known)}"
