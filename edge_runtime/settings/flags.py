"""The settings on the command line, and the settings in force: defaults, then the file, then flags."""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import InputError
from edge_runtime.settings.config import SETTINGS, Config, with_values
from edge_runtime.settings.help import hide
from edge_runtime.settings.needs import NEEDS, ROTATION
from edge_runtime.settings.option import Setting, shown
from edge_runtime.settings.toml import read_config


def add_flags(parser: argparse.ArgumentParser, sections: Iterable[str] = tuple(SETTINGS)) -> None:
    """Give a parser ``--config``, and a flag for every setting of some sections.

    Help begins with those that do something by themselves; ``--help-all`` shows the others, too.
    """
    parser.add_argument(
        "--config",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="C",
        help="a file of settings: pi-infer.toml",
    )
    needing = {name for need in (*NEEDS, ROTATION) for name in need.settings}
    actions = {
        f"{section}.{key}": _add_flag(parser, setting)
        for section in sections
        for key, setting in SETTINGS[section].items()
    }
    hide(parser, [action for name, action in actions.items() if name in needing])


def borrow_flag(parser: argparse.ArgumentParser, section: str, key: str, words: str | None = None) -> None:
    """Give a command that reads no settings the flag of one, as it is declared there.

    The value arrives under the flag's own name, checked; None where the flag is not given.

    Args:
        parser: The command's.
        section: The section of the setting.
        key: The key of the setting, which must not be a switch.
        words: The help, where the flag means something of its own to this command.
    """
    setting = SETTINGS[section][key]

    def value(text: str) -> Any:
        try:
            return _checked(setting, text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}, not {shown(text)}") from error

    option = setting.option
    parser.add_argument(option.flag, type=value, metavar=option.metavar, help=words or setting.help)


def effective(arguments: argparse.Namespace) -> Config:
    """The settings of a command line that was parsed with ``add_flags``.

    Raises:
        InputError: The file cannot be used (see ``toml.read_config``), or a flag's value is of the
            wrong type or impossible.
    """
    config = read_config(arguments.config) if "config" in arguments else Config()
    # A setting's flag arrives as section.key; no other argument has a point in its name.
    given = {name: value for name, value in vars(arguments).items() if "." in name}
    if "source.camera" in given and "source.location" in given:
        raise InputError("--camera is not allowed with --source: give one of them")
    # A camera on the command line is meant instead of the file in the file, and the other way round.
    if "source.camera" in given or "source.location" in given:
        config = replace(config, source=replace(config.source, camera=None, location=None))
    for name, value in given.items():
        section, key = name.split(".")
        config = with_values(config, section, {key: _flag_value(SETTINGS[section][key], value)})
    return config


def _add_flag(parser: argparse.ArgumentParser, setting: Setting) -> argparse.Action:
    option = setting.option
    # Absent unless given, so that a flag of the main command survives the defaults of a subcommand.
    common: dict[str, Any] = {
        "dest": f"{setting.section}.{setting.key}",
        "default": argparse.SUPPRESS,
        "help": setting.help,
    }
    if setting.kind is bool:
        return parser.add_argument(option.flag, action=argparse.BooleanOptionalAction, **common)
    if option.bare is not None:
        common |= {"nargs": "?", "const": option.bare}
    return parser.add_argument(option.flag, metavar=option.metavar, **common)


def _flag_value(setting: Setting, value: str | bool) -> Any:  # noqa: FBT001  what argparse hands over
    try:
        return _checked(setting, value)
    except ValueError as error:
        raise InputError(f"{setting.option.flag} {error}, not {shown(value)}") from error


def _checked(setting: Setting, value: str | bool) -> Any:  # noqa: FBT001
    """The value in the setting's own type. Raises ``ValueError`` that says what it must be."""
    return setting.checked(_number(setting.kind, value) if setting.kind in (int, float) else value)


def _number(kind: type, text: str | bool) -> Any:  # noqa: FBT001
    """The number a text means; one that is none is left for the check to refuse in its own words."""
    try:
        return kind(text)
    except ValueError:
        return text
