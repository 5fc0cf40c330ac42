"""Introducing the device to Home Assistant: MQTT discovery, one retained message for each entity."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from edge_runtime import __version__
from edge_runtime.results.status import Status

PREFIX = "homeassistant"
LONGEST_STATE = 250  # Home Assistant takes 255 characters


@dataclass(frozen=True)
class Message:
    """A message to publish, which the broker shall retain.

    Attributes:
        topic: Where to.
        payload: What, as JSON.
    """

    topic: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Device:
    """The device that introduces itself.

    Attributes:
        name: Unique among the devices of a broker; letters, digits, - and _.
        state_topic: Where its status is published as JSON.
        availability_topic: Where it says ``online`` or ``offline``.
        expire_s: After so much silence its figures are unknown.
    """

    name: str
    state_topic: str
    availability_topic: str
    expire_s: int


@dataclass(frozen=True)
class Entity:
    """A figure of the device's, in the words of Home Assistant's discovery; what is None is left out."""

    name: str
    value_template: str
    unit_of_measurement: str | None = None
    device_class: str | None = None
    state_class: str | None = "measurement"
    entity_category: str | None = None
    icon: str | None = None
    suggested_display_precision: int | None = None
    json_attributes_template: str | None = None


RESULT = Entity(
    "Result",
    f"{{{{ value_json.summary[:{LONGEST_STATE}] }}}}",
    state_class=None,
    icon="mdi:eye",
    json_attributes_template="{{ value_json.result | tojson }}",
)
FIGURES = {
    "fps": Entity(
        "Frame rate", "{{ value_json.fps }}", "fps", icon="mdi:speedometer", suggested_display_precision=1
    ),
    "latency": Entity(
        "Latency", "{{ value_json.latency_ms.p50 }}", "ms", "duration", suggested_display_precision=1
    ),
    "age": Entity("Frame age", "{{ value_json.age_ms }}", "ms", "duration", suggested_display_precision=0),
    "dropped": Entity("Dropped frames", "{{ value_json.dropped }}", state_class="total_increasing"),
    "memory": Entity("Memory", "{{ value_json.rss_mib }}", "MiB", "data_size", suggested_display_precision=0),
}
TEMPERATURE = Entity(
    "Temperature", "{{ value_json.temperature_c }}", "°C", "temperature", suggested_display_precision=0
)
THROTTLED = Entity(
    "Throttled",
    "{{ 'ON' if value_json.throttled_now else 'OFF' }}",
    device_class="problem",
    state_class=None,
)


def introduction(device: Device, status: Status) -> Iterator[Message]:
    """The messages that introduce a device: one for every figure that this machine knows."""
    yield _message("sensor", "result", RESULT, device, status)
    figures = dict(FIGURES)
    if status.temperature_c is not None:
        figures["temperature"] = TEMPERATURE
    for key, entity in figures.items():
        yield _message("sensor", key, entity, device, status, entity_category="diagnostic")
    if status.throttled is not None:
        yield _message("binary_sensor", "throttled", THROTTLED, device, status, entity_category="diagnostic")


def _message(kind: str, key: str, entity: Entity, device: Device, status: Status, **more: str) -> Message:
    unique_id = f"pi-infer-{device.name}-{key}"
    payload = {
        **{name: value for name, value in asdict(entity).items() if value is not None},
        **more,
        "unique_id": unique_id,
        "state_topic": device.state_topic,
        "availability_topic": device.availability_topic,
        "expire_after": device.expire_s,
        "device": {
            "identifiers": [f"pi-infer-{device.name}"],
            "name": f"pi-infer {device.name}",
            "model": status.model,
            "sw_version": __version__,
        },
        "origin": {"name": "pi-infer", "sw_version": __version__},
    }
    if entity.json_attributes_template is not None:
        payload["json_attributes_topic"] = device.state_topic
    return Message(f"{PREFIX}/{kind}/{unique_id}/config", payload)
