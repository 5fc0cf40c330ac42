"""How both programs read their command lines: full names only, and an error is one line.

The types of their arguments are in ``arguments``.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from edge_runtime.settings.help import HelpFormatter
from edge_runtime.settings.option import closest

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction["CommandParser"]  # noqa: SLF001  argparse gives it no public name

# Not "-5" and not "-": a negative number and standard input are values.
OPTION = re.compile(r"--?[A-Za-z][^\s=]*")

#: What other words for an option mean, where the spelling does not show it.
MEANT = {
    "--card": "--input",
    "--output": "-o",
    "--out": "-o",
    "--imgsz": "--input-size",
    "--fps": "--framerate",
}


class CommandParser(argparse.ArgumentParser):
    """A parser that names the first option it does not know, and the one that was probably meant.

    argparse itself would go on, take the value of that option for a command, and complain of that.
    """

    def __init__(self, **settings: Any) -> None:
        # A flag of the main command that begins like one of a subcommand would make the latter ambiguous, and
        # a script that shortens a name breaks when another is added that begins like it.
        super().__init__(**{"formatter_class": HelpFormatter, "allow_abbrev": False, **settings})

    def parse_known_args(  # type: ignore[override]  # argparse declares what we do not use, too
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse a command line as the base class does, once it is certain that each option exists."""
        given = list(sys.argv[1:] if args is None else args)
        self._require_known(given)
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """End the program with exit code 2 and one line on what is wrong with its command line."""
        self.exit(2, f"{self.prog.split()[0]}: error: {message} (see {self.prog} --help)\n")

    def _require_known(self, given: list[str]) -> None:
        commands = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
        for text in given:
            if text == "--" or any(text in action.choices for action in commands):
                return  # what follows is no option, or one of that command
            option = OPTION.match(text)
            # A text with a blank is a value that begins with a dash, as argparse takes it, too.
            if option and " " not in text and option[0] not in self._option_string_actions:
                near = self._meant(option[0]) if text.startswith("--") else None
                self.error(f"unknown option {option[0]}{f'; did you mean {near}?' if near else ''}")

    def _meant(self, option: str) -> str | None:
        known = self._option_string_actions
        meant = MEANT.get(option)
        return meant if meant in known else closest(option, known)
