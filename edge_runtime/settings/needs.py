"""Flags that would do nothing are refused: whoever gives one expects something of it.

In a file such settings may stand: it may serve several commands, or wait for a flag that gives them a use.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from edge_runtime.base.errors import InputError
from edge_runtime.base.locations import Location, location_of
from edge_runtime.settings.config import SETTINGS, Config


@dataclass(frozen=True)
class Need:
    """What some settings need in order to do anything.

    Attributes:
        settings: Those that need something, each as ``section.key``.
        met: Whether the settings in force have what is needed.
        words: What is needed, for the message.
    """

    settings: tuple[str, ...]
    met: Callable[[Config], bool]
    words: str


def refuse_foreign_flags(arguments: argparse.Namespace, sections: tuple[str, ...]) -> None:
    """Raise ``InputError`` for a flag of another command, given before this one's name.

    Args:
        arguments: The command line, parsed with ``flags.add_flags``.
        sections: Those that this command uses.
    """
    if "config" in arguments and not sections:
        raise InputError("--config does nothing in this command")
    for name in _given(arguments):
        if name.split(".")[0] not in sections:
            raise InputError(f"{_flag(name)} does nothing in this command")


def refuse_idle_flags(arguments: argparse.Namespace, config: Config, *, unattended: bool) -> None:
    """Raise ``InputError`` for a flag that does nothing because what it depends on is not set.

    Args:
        arguments: The command line, parsed with ``flags.add_flags``.
        config: The settings in force: what a flag needs may stand in the file.
        unattended: Whether the service asks, which rotates its files by itself.
    """
    for name in _given(arguments):
        for need in NEEDS if unattended else (*NEEDS, ROTATION):
            if name in need.settings and not need.met(config):
                raise InputError(f"{_flag(name)} does nothing without {need.words}")


def _given(arguments: argparse.Namespace) -> list[str]:
    return [name for name in vars(arguments) if "." in name]


def _flag(name: str) -> str:
    section, key = name.split(".")
    return SETTINGS[section][key].option.flag


def _all_but(section: str, key: str = "") -> tuple[str, ...]:
    return tuple(f"{section}.{other}" for other in SETTINGS[section] if other != key)


def _may_play_video(config: Config) -> bool:
    # What is behind an address shows only when it is opened: it may be a film.
    return _place(config) in (Location.ADDRESS, Location.FILE, Location.STANDARD_INPUT)


def _may_reconnect(config: Config) -> bool:
    return _place(config) in (Location.ADDRESS, Location.CAMERA)


def _place(config: Config) -> Location | None:
    return None if config.source.location is None else location_of(config.source.location)


ROTATION = Need(("jsonl.keep",), lambda config: config.jsonl.rotate_mib is not None, "--jsonl-rotate-mib")
NEEDS = (
    Need(_all_but("picamera"), lambda config: config.source.camera is not None, "--camera"),
    Need(("source.every_frame",), _may_play_video, "a video as --source"),
    Need(("source.reconnects",), _may_reconnect, "a stream or a USB camera as --source"),
    Need(_all_but("jsonl", "path"), lambda config: config.jsonl.path not in (None, "-"), "a file as --jsonl"),
    Need(_all_but("web", "address"), lambda config: config.web.address is not None, "--web"),
    Need(_all_but("mqtt", "broker"), lambda config: config.mqtt.broker is not None, "--mqtt"),
    Need(("mqtt.password_file",), lambda config: config.mqtt.user is not None, "--mqtt-user"),
    Need(
        _all_but("prometheus", "textfile"),
        lambda config: config.prometheus.textfile is not None,
        "--prometheus-textfile",
    ),
)
