"""Every setting, declared once: its type, default, flag, bounds and help.

The reader of ``pi-infer.toml`` (``toml``) and the flags of the command line (``flags``) both follow from
these declarations, so a new setting is one more field, here or in the file of its section.
"""

import types
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from edge_runtime.settings.arguments import AUTO, ENGINES, class_list, one_of
from edge_runtime.settings.option import MOST_THREADS, Option, Setting
from edge_runtime.settings.output_sections import JsonlConfig, MqttConfig, PrometheusConfig, WebConfig
from edge_runtime.settings.picamera_section import PicameraConfig


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
    reconnects: Annotated[
        int,
        Option(
            "--reconnects",
            "times to try to reopen a stream that stopped",
            "N",
            low=0,
            high=1_000_000,  # for ever: half a minute apart, they take a year
        ),
    ] = 5


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
    engine: Annotated[
        str,
        Option("--engine", "what runs the network", "onnxruntime|ncnn|auto", check=one_of(*ENGINES, AUTO)),
    ] = ENGINES[0]
    threads: Annotated[
        int | None,
        Option("--threads", "threads of one inference (default: all)", "N", low=1, high=MOST_THREADS),
    ] = None
    score: Annotated[
        float | None,
        Option(
            "--score",
            "give only what scores at least so much (default: the card's)",
            "0..1",
            low=0,
            high=1,
        ),
    ] = None
    classes: Annotated[
        str | None,
        Option(
            "--classes",
            "give only these classes: names or numbers, with commas between them",
            "A,B,...",
            check=class_list,
        ),
    ] = None


@dataclass(frozen=True)
class LiveConfig:
    """``[live]``: how long a run of ``pi-infer`` without a command takes, and how it is shown."""

    frames: Annotated[int | None, Option("--frames", "end after N frames", "N", low=1)] = None
    plain: Annotated[bool, Option("--plain", "plain lines, also on a terminal")] = False


@dataclass(frozen=True)
class ServiceConfig:
    """``[service]``: how often ``pi-infer service`` writes to its log."""

    log_seconds: Annotated[
        int,
        Option("--log-seconds", "seconds between log lines", "S", low=1, high=86_400),
    ] = 60


@dataclass(frozen=True)
class Config:
    """All settings; one attribute per section of the file."""

    source: SourceConfig = SourceConfig()
    picamera: PicameraConfig = PicameraConfig()
    model: ModelConfig = ModelConfig()
    live: LiveConfig = LiveConfig()
    service: ServiceConfig = ServiceConfig()
    jsonl: JsonlConfig = JsonlConfig()
    web: WebConfig = WebConfig()
    mqtt: MqttConfig = MqttConfig()
    prometheus: PrometheusConfig = PrometheusConfig()


def with_values(config: Config, section: str, values: dict[str, Any]) -> Config:
    """Settings with some of one section replaced.

    Args:
        config: The settings as they are.
        section: Name of the section.
        values: The new values by their keys, checked already.
    """
    return replace(config, **{section: replace(getattr(config, section), **values)})


def _settings_of(section: str, holder: type[Any]) -> dict[str, Setting]:
    hints = get_type_hints(holder, include_extras=True)
    settings = {}
    for declared in fields(holder):
        # Each field is declared as Annotated[KIND, Option(...)] or Annotated[KIND | None, Option(...)].
        kind, option = get_args(hints[declared.name])
        if get_origin(kind) is types.UnionType:
            kind = next(member for member in get_args(kind) if member is not types.NoneType)
        settings[declared.name] = Setting(section, declared.name, kind, option, declared.default)
    return settings


#: Every setting, by section and key.
SETTINGS: dict[str, dict[str, Setting]] = {
    section: _settings_of(section, holder) for section, holder in get_type_hints(Config).items()
}
