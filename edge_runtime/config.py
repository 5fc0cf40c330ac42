"""Every setting, declared once: its type, default, flag, bounds and help.

The reader of ``pi-infer.toml`` (``config_file``) and the flags of the command line (``config_flags``) both
follow from these declarations, so a new setting is one more field here.
"""

import difflib
import math
import types
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Option:
    """How one setting is given and what it may be.

    Attributes:
        flag: Its flag on the command line.
        help: One line for ``--help``.
        metavar: What the value is called there.
        bare: The value of a flag that stands alone; None where it needs one.
        low: Smallest number, included.
        high: Largest number, included.
        names_file: Whether a relative value in the file is meant from the file's own folder.
    """

    flag: str
    help: str
    metavar: str = ""
    bare: str | None = None
    low: float = -math.inf
    high: float = math.inf
    names_file: bool = False


@dataclass(frozen=True)
class SourceConfig:
    """``[source]``: where frames come from; a camera or a location."""

    camera: Annotated[
        int | None,
        Option("--camera", "the Pi's camera (default: number 0)", "ID", bare="0", low=0, high=63),
    ] = None
    location: Annotated[
        str | None,
        Option(
            "--source",
            "a video, an image, a folder of images, /dev/videoN, a URL",
            "FILE|DIR|URL|demo",
            names_file=True,
        ),
    ] = None
    every_frame: Annotated[bool, Option("--every-frame", "play a video frame by frame, dropping none")] = (
        False
    )


@dataclass(frozen=True)
class ModelConfig:
    """``[model]``: the network and how it runs."""

    path: Annotated[
        Path | None,
        Option("--model", "the ONNX network (for demo: the one that ships)", "M", names_file=True),
    ] = None
    input: Annotated[
        Path | None,
        Option("--input", "a model card to use instead of the network's", "CARD.json", names_file=True),
    ] = None
    threads: Annotated[
        int | None, Option("--threads", "threads of one inference (default: all)", "N", low=1, high=256)
    ] = None


@dataclass(frozen=True)
class LiveConfig:
    """``[live]``: only for ``pi-infer`` without a command."""

    frames: Annotated[int | None, Option("--frames", "end after N frames", "N", low=1)] = None
    jsonl: Annotated[
        str | None,
        Option(
            "--jsonl",
            "write one JSON object per frame to FILE ('-' is standard output)",
            "FILE",
            names_file=True,
        ),
    ] = None


@dataclass(frozen=True)
class ServiceConfig:
    """``[service]``: only for ``pi-infer service``."""

    log_seconds: Annotated[
        int,
        Option("--log-seconds", "seconds between log lines (default: 60)", "S", low=1, high=86_400),
    ] = 60


@dataclass(frozen=True)
class Config:
    """All settings; one attribute per section of the file."""

    source: SourceConfig = SourceConfig()
    model: ModelConfig = ModelConfig()
    live: LiveConfig = LiveConfig()
    service: ServiceConfig = ServiceConfig()


@dataclass(frozen=True)
class Setting:
    """One declared setting, as the readers see it.

    Attributes:
        section: Its section in the file.
        key: Its key there.
        kind: ``int``, ``float``, ``bool``, ``str`` or ``Path``.
        option: How it is given and what it may be.
    """

    section: str
    key: str
    kind: type
    option: Option

    def checked(self, value: Any) -> Any:
        """The value in the setting's own type. Raises ``ValueError`` that says what it must be."""
        if self.kind in (int, float):
            return self._checked_number(value)
        if self.kind is bool:
            if type(value) is not bool:
                raise ValueError("must be true or false")
            return value
        if not isinstance(value, str) or not value or not value.isprintable():
            raise ValueError("must be a text that is not empty, in printable characters")
        return self.kind(value)

    def _checked_number(self, value: Any) -> Any:
        option = self.option
        accepted = (int,) if self.kind is int else (int, float)
        if type(value) in accepted and option.low <= value <= option.high:
            return self.kind(value)
        wanted = "a whole number" if self.kind is int else "a number"
        if math.isfinite(option.low):
            wanted += f" from {option.low:.9g}"
        if math.isfinite(option.high):
            wanted += f" to {option.high:.9g}"
        raise ValueError(f"must be {wanted}")


def with_values(config: Config, section: str, values: dict[str, Any]) -> Config:
    """``config`` with some settings of one section replaced."""
    return replace(config, **{section: replace(getattr(config, section), **values)})


def shown(value: Any) -> str:
    """A wrong value for a message: short, on one line, and as TOML writes it where that differs."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 64:
        return "so large a number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a wrong name: the closest right one, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def _settings_of(section: str, holder: type[Any]) -> dict[str, Setting]:
    hints = get_type_hints(holder, include_extras=True)
    found = {}
    for declared in fields(holder):
        kind, option = get_args(hints[declared.name])
        if get_origin(kind) is types.UnionType:
            kind = next(member for member in get_args(kind) if member is not types.NoneType)
        found[declared.name] = Setting(section, declared.name, kind, option)
    return found


#: Every setting, by section and key.
SETTINGS: dict[str, dict[str, Setting]] = {
    section: _settings_of(section, holder) for section, holder in get_type_hints(Config).items()
}
