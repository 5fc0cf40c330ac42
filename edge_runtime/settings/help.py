"""What ``--help`` looks like, of both programs: what stands on its own first, an example, no long usage."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

EXAMPLE = "example:"
COLUMN = 28  # where descriptions begin


class HelpFormatter(argparse.HelpFormatter):
    """Leaves options that may be left out of the usage line, and examples as they are written."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, **{"max_help_position": COLUMN, **settings})

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],  # noqa: ARG002  argparse hands them over
        prefix: str | None = None,
    ) -> None:
        """The usage line: what a command cannot do without; the options stand below it."""
        needed = [action for action in actions if action.required or not action.option_strings]
        # Without a prefix argparse asks for the beginning of a command's own usage, not for a usage.
        super().add_usage(usage, needed if prefix == "" else [OPTIONS, *needed], (), prefix)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, argparse.BooleanOptionalAction):
            return f"--[no-]{action.option_strings[0].removeprefix('--')}"
        return super()._format_action_invocation(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(EXAMPLE):
            return "\n".join(f"{indent}{line}" for line in text.splitlines())
        return super()._fill_text(text, width, indent)


class ShowAll(argparse.Action):
    """``--help-all``: the help with the options that a first look leaves out."""

    def __init__(self, option_strings: Sequence[str], hidden: dict[argparse.Action, str], **_: Any) -> None:
        super().__init__(
            option_strings,
            dest=argparse.SUPPRESS,
            default=argparse.SUPPRESS,
            nargs=0,
            help=f"show {len(hidden)} more: those that need another option",
        )
        self._hidden = hidden

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Show all, and end."""
        for action, words in self._hidden.items():
            action.help = words
        parser.print_help()
        parser.exit()


def example(*lines: str) -> str:
    """The end of a help: command lines as somebody may type them."""
    return "\n  ".join((EXAMPLE, *lines))


def hide(parser: argparse.ArgumentParser, actions: Sequence[argparse.Action]) -> None:
    """Leave some options out of the help of a parser, and give it ``--help-all`` to show them."""
    hidden = {action: action.help or "" for action in actions}
    for action in actions:
        action.help = argparse.SUPPRESS
    parser.add_argument("--help-all", action=ShowAll, hidden=hidden)


OPTIONS = argparse.Action(["[OPTIONS]"], "options", nargs=0, required=True)
