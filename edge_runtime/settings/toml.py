"""Reading and writing ``pi-infer.toml``; every complaint names the file, the line and what would be right."""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import read_text
from edge_runtime.base.locations import DEMO, STANDARD_INPUT
from edge_runtime.settings.config import SETTINGS, Config, with_values
from edge_runtime.settings.option import nearest, shown


def read_config(path: Path) -> Config:
    """Read a file of settings; what it leaves out keeps its default.

    Relative file names in it are meant from its own folder.

    Raises:
        InputError: The file is missing or not TOML; a section or key is unknown, or a value is of the wrong
            type or impossible.
    """
    text = read_text(path, "the settings")
    config = Config()
    for section, values in _document(path, text).items():
        if section not in SETTINGS or not isinstance(values, dict):
            raise InputError(f"{path}{_line_of(text, None, section)}: {_misplaced(section, values)}")
        config = with_values(config, section, _section_values(path, text, section, values))
    if config.source.camera is not None and config.source.location is not None:
        where = f"{path}{_line_of(text, 'source', 'location')}"
        raise InputError(f"{where}: camera and location in [source] exclude each other: keep one of them")
    return config


def to_toml(config: Config) -> str:
    """The settings as a file that ``read_config`` accepts; those without a value stand in comments."""
    lines = ["# Settings in force: defaults, then the file, then flags."]
    for section, settings in SETTINGS.items():
        lines += ["", f"[{section}]"]
        for key, setting in settings.items():
            value = getattr(getattr(config, section), key)
            text = f"# {key} is not set" if value is None else f"{key} = {_toml_value(value)}"
            lines.append(f"{text}  # {setting.option.flag}: {setting.help}")
    return "\n".join(lines) + "\n"


def _document(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:  # a few kilobytes of "[" are enough for that
        raise InputError(f"{path} is not a settings file: nested too deeply") from error
    except ValueError as error:
        raise InputError(f"{path} is not valid TOML: {error}") from error


def _section_values(path: Path, text: str, section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    known = SETTINGS[section]
    result: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{path}{_line_of(text, section, key)}"
        if key not in known:
            raise InputError(f"{where}: {_unknown_key(section, key)}")
        try:
            checked = known[key].checked(value)
        except ValueError as error:
            raise InputError(f"{where}: {key} in [{section}] {error}, not {shown(value)}") from error
        result[key] = _beside(path, checked) if known[key].option.names_file else checked
    return result


def _beside(config_file: Path, value: str | Path) -> str | Path:
    """A file named in the settings, as seen from the folder of the settings."""
    # These stand where a file's name may stand, but are none.
    if str(value) in (DEMO, STANDARD_INPUT) or "://" in str(value):
        return value
    return type(value)(config_file.parent / value)


def _unknown_key(section: str, key: str) -> str:
    home = _home(key)
    if home:
        return f"{key} does not belong in [{section}]: move it to [{home}]"
    return f"unknown key {shown(key)} in [{section}]; {nearest(key, SETTINGS[section])}"


def _misplaced(name: str, value: Any) -> str:
    """Why something at the top of the file is neither one of our sections nor within one."""
    if name in SETTINGS:
        return f"{name} is a section: write [{name}] and its keys below, not {shown(value)}"
    home = None if isinstance(value, dict) else _home(name)
    if home:
        return f"{name} must stand below [{home}]"
    return f"unknown section {shown(name)}; {nearest(name, SETTINGS)}"


def _home(key: str) -> str | None:
    return next((section for section, settings in SETTINGS.items() if key in settings), None)


def _line_of(text: str, section: str | None, key: str) -> str:
    """``:LINE`` where ``key`` is set or, without a section, where it begins; empty if that cannot be told."""
    # The parser tells no lines; a few patterns find the place again in whatever it has accepted.
    name = rf"""["']?{re.escape(key)}["']?"""
    here = re.compile(rf"\s*{name}\s*[=.]")
    dotted = re.compile(rf"\s*{section}\s*\.\s*{name}\s*[=.]|\s*{section}\s*=")
    header = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]")
    current: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if section_header := header.match(line):
            current = section_header.group(1)
            if section is None and re.match(rf"{name}(\.|$)", current):
                return f":{number}"
        elif (current == section and here.match(line)) or (current is None and dotted.match(line)):
            return f":{number}"
    return ""


def _toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    # The settings hold printable text only, which needs no more escapes than JSON has.
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return json.dumps(str(value), ensure_ascii=False)
