"""The parsers of both programs, and what they know."""

import argparse

import edge_runtime.cli
import export.cli

PROGRAMS = {"pi-export": export.cli, "pi-infer": edge_runtime.cli}


def parser_of(program: str) -> argparse.ArgumentParser:
    return PROGRAMS[program]._parser()  # noqa: SLF001  the parser that reads what users type


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of a program's commands, by name."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    return dict(found[0].choices)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return set(parser._option_string_actions)  # noqa: SLF001


def every_parser() -> dict[str, argparse.ArgumentParser]:
    """The parsers of both programs and of all their commands, by what is typed to reach them."""
    programs = {program: parser_of(program) for program in PROGRAMS}
    return programs | {
        f"{program} {name}": command
        for program, parser in programs.items()
        for name, command in commands_of(parser).items()
    }
