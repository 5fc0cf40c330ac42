"""How a run stands, for an MQTT broker, with a last will, and an introduction for Home Assistant.

Needs paho-mqtt (the extra ``mqtt``), imported only where a broker is configured: it takes 7.4 MiB, or 1.4
beside the live page. An object is one connection: when it breaks, publishing fails, and whoever holds the
object opens another.
"""

import json
import re
import secrets
import socket
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_runtime.base.addresses import Address, parse_address
from edge_runtime.base.errors import InputError
from edge_runtime.base.files import read_text
from edge_runtime.outputs.home_assistant import Device, introduction
from edge_runtime.results.status import Status
from edge_runtime.settings.output_sections import MQTT_PORT, MQTT_TLS_PORT, MqttConfig

KEEP_ALIVE_S = 30
ANSWER_LIMIT_S = 10.0
FAREWELL_LIMIT_S = 2.0


@dataclass(frozen=True)
class Broker:
    """A broker, and how to publish there.

    Attributes:
        address: Of the broker.
        name: Of this device.
        topic: Of this device's messages: ``TOPIC/state`` and ``TOPIC/availability``.
        qos: Of the status.
        seconds: Between two of them.
        user: Who logs in; None for nobody.
        password: Of the user.
        tls: Whether to encrypt.
        ca_file: The authority that signed the broker's certificate; the system's if None.
        home_assistant: Whether to introduce the device.
    """

    address: Address
    name: str
    topic: str
    qos: int = 0
    seconds: float = 1.0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None
    home_assistant: bool = True


def broker_of(config: MqttConfig) -> Broker:
    """The broker that the settings name, once what they need is there.

    Raises:
        InputError: paho-mqtt is missing, there is no broker, or a file cannot be read.
    """
    _library()
    if config.broker is None:
        raise InputError("no MQTT broker: give one with --mqtt HOST")
    tls = config.tls or config.ca_file is not None
    if config.ca_file is not None:
        _require_certificates(config.ca_file)
    name = config.name or re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:64] or "device"
    return Broker(
        address=parse_address(config.broker, MQTT_TLS_PORT if tls else MQTT_PORT),
        name=name,
        topic=f"{config.topic}/{name}",
        qos=config.qos,
        seconds=config.seconds,
        user=config.user,
        password=None
        if config.password_file is None
        else read_text(config.password_file, "the password in").strip(),
        tls=tls,
        ca_file=config.ca_file,
        home_assistant=config.home_assistant,
    )


class Mqtt:
    """The output to an MQTT broker: one connection; when it breaks, another is to be opened."""

    def __init__(self, broker: Broker, status: Status) -> None:
        """Connect and introduce the device; waits for the broker.

        Args:
            broker: Where and how to publish.
            status: Tells which figures this machine knows, and so which to introduce.

        Raises:
            OSError: The broker cannot be reached or refuses us.
        """
        self._broker = broker
        self._limit_s = ANSWER_LIMIT_S
        self._answered = threading.Event()
        self._trouble: str | None = "it does not answer"
        self._client = self._make_client()
        try:
            self._connect()
            self._introduce(status)
        except BaseException:
            self._end()
            raise

    def publish(self, status: Status) -> None:
        """Send the status, and wait until it is sent or, with QoS, acknowledged.

        Raises:
            OSError: The connection broke, or the broker takes nothing.
        """
        payload = json.dumps(status.to_document(), allow_nan=False)
        self._send("state", payload, qos=self._broker.qos)

    def close(self) -> None:
        """Tell the broker that we go, and disconnect."""
        self._limit_s = FAREWELL_LIMIT_S  # a broker that hangs must not hold up the end of the run
        try:
            if self._trouble is None:
                self._send("availability", "offline", qos=1, retain=True)
        finally:
            self._end()

    def _make_client(self) -> Any:
        mqtt, broker = _library(), self._broker
        # A name of its own each time: brokers throw out the elder of two clients of one name.
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"pi-infer-{broker.name}-{secrets.token_hex(4)}",
            reconnect_on_failure=False,
        )
        client.will_set(f"{broker.topic}/availability", "offline", qos=1, retain=True)
        client.on_connect = lambda _client, _data, _flags, reason, _properties: self._answer(reason)
        client.on_disconnect = lambda _client, _data, _flags, reason, _properties: self._lose(reason)
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set(ca_certs=broker.ca_file and str(broker.ca_file))
        return client

    def _connect(self) -> None:
        address = self._broker.address
        try:
            self._client.connect(address.host, address.port, keepalive=KEEP_ALIVE_S)
        except OSError as error:
            raise ConnectionError(f"cannot reach the broker {address}: {error.strerror or error}") from error
        self._client.loop_start()
        self._answered.wait(self._limit_s)
        if self._trouble is not None:
            raise ConnectionError(f"the broker {address} refuses: {self._trouble}")

    def _introduce(self, status: Status) -> None:
        device = Device(
            name=self._broker.name,
            state_topic=f"{self._broker.topic}/state",
            availability_topic=f"{self._broker.topic}/availability",
            expire_s=round(max(60.0, 10 * self._broker.seconds)),
        )
        if self._broker.home_assistant:
            for message in introduction(device, status):
                self._send_to(message.topic, json.dumps(message.payload), qos=1, retain=True)
        self._send("availability", "online", qos=1, retain=True)

    def _send(self, topic: str, payload: str, *, qos: int, retain: bool = False) -> None:
        self._send_to(f"{self._broker.topic}/{topic}", payload, qos=qos, retain=retain)

    def _send_to(self, topic: str, payload: str, *, qos: int, retain: bool) -> None:
        if self._trouble is None:
            sent = self._client.publish(topic, payload, qos=qos, retain=retain)
            if sent.rc == 0:
                sent.wait_for_publish(self._limit_s)
                if sent.is_published():
                    return
        raise ConnectionError(
            f"the broker {self._broker.address} is lost: {self._trouble or 'it takes no messages'}"
        )

    def _answer(self, reason: Any) -> None:
        self._trouble = str(reason) if reason.is_failure else None
        self._answered.set()

    def _lose(self, reason: Any) -> None:
        self._trouble = self._trouble or str(reason)
        self._answered.set()

    def _end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _library() -> Any:
    try:
        from paho.mqtt import client  # noqa: PLC0415  some megabytes that only who has a broker shall pay
    except ImportError as error:
        raise InputError(f"MQTT needs paho-mqtt ({error}): pip install 'pi-infer[mqtt]'") from error
    if not hasattr(client, "CallbackAPIVersion"):
        raise InputError("MQTT needs paho-mqtt 2 or later: pip install --upgrade 'pi-infer[mqtt]'")
    return client


def _require_certificates(path: Path) -> None:
    try:
        ssl.create_default_context(cadata=read_text(path, "the certificates in"))
    except ssl.SSLError as error:
        raise InputError(f"{path} holds no certificates in PEM format") from error
