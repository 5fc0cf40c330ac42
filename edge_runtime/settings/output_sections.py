"""The settings of the outputs: where results go, the same for the live command and the service."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edge_runtime.base.addresses import host_names, parse_address
from edge_runtime.settings.option import Option

#: The sections below.
OUTPUT_SECTIONS = ("jsonl", "web", "mqtt", "prometheus")
MQTT_PORT, MQTT_TLS_PORT = 1883, 8883  # as registered for MQTT


def _mqtt_topic(text: str) -> None:
    # "+" and "#" are for subscribers, and topics that begin with "$" belong to the broker.
    if not re.fullmatch(r"[^\s+#$/][^\s+#/]*(/[^\s+#/]+)*", text) or len(text) > 200:
        raise ValueError("must be a topic of at most 200 characters without spaces, + and #, as home/cellar")


def _mqtt_name(text: str) -> None:
    # What Home Assistant accepts in the topics by which it finds devices.
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise ValueError("must be at most 64 letters, digits, - and _")


def _mqtt_broker(text: str) -> None:
    parse_address(text, MQTT_PORT)


@dataclass(frozen=True)
class JsonlConfig:
    """``[jsonl]``: one JSON object per frame."""

    path: Annotated[
        str | None,
        Option(
            "--jsonl",
            "write one JSON object per frame to FILE ('-' is standard output)",
            "FILE",
            names_file=True,
        ),
    ] = None
    rotate_mib: Annotated[
        int | None,
        Option(
            "--jsonl-rotate-mib",
            "append to FILE, and begin a new one at N MiB (default: the service at 16, else never)",
            "N",
            low=1,
            high=1_000_000,
        ),
    ] = None
    keep: Annotated[
        int,
        Option("--jsonl-keep", "full files to keep as FILE.1, FILE.2 ...", "N", low=1, high=999),
    ] = 3


@dataclass(frozen=True)
class WebConfig:
    """``[web]``: the live page."""

    address: Annotated[
        str | None,
        Option(
            "--web",
            "serve a live page (default: 127.0.0.1:8080; elsewhere it asks for a token)",
            "ADDR:PORT",
            bare="127.0.0.1:8080",
            check=parse_address,
        ),
    ] = None
    token_file: Annotated[
        Path | None,
        Option(
            "--web-token-file",
            "a file that holds the page's token (default: a new one each time)",
            "FILE",
            names_file=True,
        ),
    ] = None
    hosts: Annotated[
        str | None,
        Option(
            "--web-hosts",
            "further names it may be asked for (default: localhost, this machine's name and address)",
            "NAME,...",
            check=host_names,
        ),
    ] = None
    fps: Annotated[
        int,
        Option("--web-fps", "pictures a second for its viewers, at most", "N", low=1, high=60),
    ] = 15
    bench: Annotated[
        Path | None,
        Option(
            "--web-bench", "show the comparison of this 'pi-infer bench --json' file", "FILE", names_file=True
        ),
    ] = None


@dataclass(frozen=True)
class MqttConfig:
    """``[mqtt]``: the newest result for a broker, and for Home Assistant."""

    broker: Annotated[
        str | None,
        Option(
            "--mqtt",
            "publish to this MQTT broker (port: 1883, with TLS 8883)",
            "HOST[:PORT]",
            check=_mqtt_broker,
        ),
    ] = None
    user: Annotated[str | None, Option("--mqtt-user", "log in as USER", "USER")] = None
    password_file: Annotated[
        Path | None,
        Option("--mqtt-password-file", "a file that holds the password", "FILE", names_file=True),
    ] = None
    tls: Annotated[bool, Option("--mqtt-tls", "encrypt, and check the broker's certificate")] = False
    ca_file: Annotated[
        Path | None,
        Option(
            "--mqtt-ca-file", "the authority to check it by (default: the system's)", "FILE", names_file=True
        ),
    ] = None
    topic: Annotated[str, Option("--mqtt-topic", "topics begin with it", "TOPIC", check=_mqtt_topic)] = (
        "pi-infer"
    )
    name: Annotated[
        str | None,
        Option("--mqtt-name", "this device there (default: the host's name)", "NAME", check=_mqtt_name),
    ] = None
    qos: Annotated[int, Option("--mqtt-qos", "quality of service", "0|1|2", low=0, high=2)] = 0
    seconds: Annotated[
        float,
        Option("--mqtt-seconds", "seconds between messages, at least", "S", low=0.05, high=86_400),
    ] = 1.0
    home_assistant: Annotated[
        bool, Option("--mqtt-home-assistant", "announce the device to Home Assistant")
    ] = True


@dataclass(frozen=True)
class PrometheusConfig:
    """``[prometheus]``: figures for node-exporter; the live page serves the same at /metrics."""

    textfile: Annotated[
        Path | None,
        Option(
            "--prometheus-textfile",
            "keep figures in this file, for node-exporter's textfile collector",
            "FILE.prom",
            names_file=True,
        ),
    ] = None
    seconds: Annotated[
        float,
        Option("--prometheus-seconds", "seconds between its versions", "S", low=1, high=86_400),
    ] = 15.0
