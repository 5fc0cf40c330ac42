"""MQTT against a real broker, mosquitto."""

import json
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.base.addresses import Address
from edge_runtime.base.errors import InputError
from edge_runtime.machine.board import Condition
from edge_runtime.outputs.background import StatusBackground
from edge_runtime.outputs.mqtt import Broker, Mqtt, broker_of
from edge_runtime.settings.output_sections import MqttConfig
from tests.edge_runtime.finished_frames import classified, finished, free_port, status_source

client = pytest.importorskip("paho.mqtt.client")

LIMIT_S = 30.0
PASSWORD = "geheim"  # noqa: S105


class Mosquitto:
    """A broker in a process of its own."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self._program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        if self._program is None:
            pytest.skip("mosquitto is not installed")
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", *lines, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def broker(self) -> Broker:
        return Broker(Address("127.0.0.1", self.port), name="pi", topic="home/pi", seconds=0.01)

    def start(self) -> "Mosquitto":
        self._process = subprocess.Popen(
            [str(self._program), "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return self

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Listener:
    """Hears everything that is said under some topics."""

    def __init__(self, port: int, *topics: str) -> None:
        self._heard: queue.Queue[Any] = queue.Queue()
        self._client = client.Client(client.CallbackAPIVersion.VERSION2)
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_message = lambda _client, _data, message: self._heard.put(message)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe([(topic, 2) for topic in topics])
        self._client.loop_start()
        assert ready.wait(LIMIT_S)

    def next(self, topic: str) -> Any:
        """The next message of a topic; others are passed over."""
        while (message := self._heard.get(timeout=LIMIT_S)).topic != topic:
            pass
        return message

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path, "allow_anonymous true").start()
    yield made
    made.stop()


@pytest.fixture
def listen(mosquitto: Mosquitto) -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def subscribe(*topics: str) -> Listener:
        made.append(Listener(mosquitto.port, *topics))
        return made[-1]

    yield subscribe
    for listener in made:
        listener.close()


def test_the_status_is_published(mosquitto: Mosquitto, listen: Callable[..., Listener]) -> None:
    listener = listen("home/#")
    for qos in (0, 1, 2):
        output = Mqtt(replace(mosquitto.broker, qos=qos), status_source(finished(7)).now())
        assert listener.next("home/pi/availability").payload == b"online"
        output.publish(status_source(finished(7)).now())
        message = listener.next("home/pi/state")
        assert json.loads(message.payload)["summary"] == "circle 90.0 %"
        assert (message.qos, message.retain) == (qos, False)
        output.close()
        assert listener.next("home/pi/availability").payload == b"offline"


def test_the_last_will_says_that_we_vanished(mosquitto: Mosquitto, listen: Callable[..., Listener]) -> None:
    listener = listen("home/pi/availability")
    code = (
        "import os, sys; from tests.edge_runtime.finished_frames import status_source\n"
        "from edge_runtime.base.addresses import Address\n"
        "from edge_runtime.outputs.mqtt import Broker, Mqtt\n"
        "broker = Broker(Address('127.0.0.1', int(sys.argv[1])), 'pi', 'home/pi')\n"
        "Mqtt(broker, status_source().now()); os._exit(0)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(mosquitto.port)], check=True, cwd=Path(__file__).parents[3]
    )
    assert [listener.next("home/pi/availability").payload for _ in range(2)] == [b"online", b"offline"]
    late = listen("home/pi/availability").next("home/pi/availability")
    assert (late.payload, late.retain) == (b"offline", True)


def test_home_assistant_is_told_every_figure_that_exists(
    mosquitto: Mosquitto, listen: Callable[..., Listener]
) -> None:
    Mqtt(mosquitto.broker, status_source(finished(result=classified("a"), number=3)).now()).close()
    listener = listen("homeassistant/#")
    kinds = {
        "result": "sensor", "fps": "sensor", "latency": "sensor", "age": "sensor", "dropped": "sensor",
        "memory": "sensor", "temperature": "sensor", "throttled": "binary_sensor",
    }  # fmt: skip
    status = status_source(finished()).now().to_document()
    for key, kind in kinds.items():
        topic = f"homeassistant/{kind}/pi-infer-pi-{key}/config"
        payload = json.loads(listen(topic).next(topic).payload)
        assert payload["unique_id"] == f"pi-infer-pi-{key}"
        assert payload["state_topic"] == "home/pi/state"
        assert payload["availability_topic"] == "home/pi/availability"
        assert payload["device"]["identifiers"] == ["pi-infer-pi"]
        assert payload["expire_after"] == 60
        named = payload["value_template"].split("value_json.")[1].split()[0].split(".")[0].split("[")[0]
        assert named in status
    del listener


def test_figures_that_the_machine_does_not_know_are_not_announced(
    mosquitto: Mosquitto, listen: Callable[..., Listener]
) -> None:
    unknown = Condition(None, None, None, None)
    Mqtt(mosquitto.broker, status_source(condition=unknown).now()).close()
    listener = listen("homeassistant/#", "home/pi/availability")
    topics = set()
    while (message := listener._heard.get(timeout=LIMIT_S)).topic != "home/pi/availability":  # noqa: SLF001
        topics.add(message.topic)
    assert not {topic for topic in topics if "temperature" in topic or "throttled" in topic}


def test_home_assistant_can_be_left_out(mosquitto: Mosquitto, listen: Callable[..., Listener]) -> None:
    listener = listen("#")
    Mqtt(replace(mosquitto.broker, home_assistant=False), status_source().now()).close()
    assert listener._heard.get(timeout=LIMIT_S).topic == "home/pi/availability"  # noqa: SLF001


def publish_until(background: StatusBackground, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        background.refresh(status_source(finished()).now)
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_broker_that_is_down_comes_and_goes_without_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mosquitto = Mosquitto(tmp_path, "allow_anonymous true")
    background = StatusBackground(
        "mqtt", lambda: Mqtt(mosquitto.broker, status_source(finished()).now()), first_delay_s=0.05
    )
    publish_until(background, lambda: background.state.failing)
    for _ in range(2):
        mosquitto.start()
        publish_until(background, lambda: not background.state.failing)
        listener = Listener(mosquitto.port, "home/pi/state")
        background.refresh(status_source(finished()).now)
        assert listener.next("home/pi/state").payload
        listener.close()
        mosquitto.stop()
        publish_until(background, lambda: background.state.failing)
    background.close()
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith(
        f"mqtt: cannot reach the broker 127.0.0.1:{mosquitto.port}: Connection refused;"
    )
    assert lines[1] == lines[3] == "mqtt works again"
    assert len(lines) == 5


def test_a_broker_that_accepts_and_says_nothing_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.outputs.mqtt.ANSWER_LIMIT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = Broker(Address("127.0.0.1", silent.getsockname()[1]), "pi", "home/pi")
        with pytest.raises(ConnectionError, match="does not answer"):
            Mqtt(broker, status_source().now())
        background = StatusBackground("mqtt", lambda: Mqtt(broker, status_source().now()))
        for _ in range(1000):
            background.refresh(status_source().now)
        background.close()
        assert background.state.skipped >= 998


def test_a_broker_that_stops_reading_is_noticed(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_runtime.outputs.mqtt.FAREWELL_LIMIT_S", 0.2)
    monkeypatch.setattr("edge_runtime.outputs.mqtt.ANSWER_LIMIT_S", 1.0)
    output = Mqtt(replace(mosquitto.broker, qos=1), status_source(finished()).now())
    mosquitto.freeze()
    with pytest.raises(ConnectionError, match="it takes no messages"):
        output.publish(status_source(finished()).now())
    with pytest.raises(ConnectionError):
        output.close()


def test_a_password_is_asked_for(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    made = shutil.which("mosquitto_passwd")
    if made is None:
        pytest.skip("mosquitto_passwd is not installed")
    subprocess.run([made, "-b", "-c", passwords, "anna", PASSWORD], check=True, capture_output=True)
    passwords.chmod(0o644)
    tmp_path.chmod(0o755)
    mosquitto = Mosquitto(
        tmp_path, "allow_anonymous false", f"password_file {passwords}", "user root"
    ).start()
    try:
        with pytest.raises(ConnectionError, match=r"refuses: .*(?i:authori)"):
            Mqtt(replace(mosquitto.broker, user="anna", password="wrong"), status_source().now())  # noqa: S106
        Mqtt(replace(mosquitto.broker, user="anna", password=PASSWORD), status_source().now()).close()
    finally:
        mosquitto.stop()


@pytest.mark.filterwarnings(
    "ignore:unclosed <ssl:ResourceWarning",  # paho leaves the socket of a failed handshake to the collector
    "ignore:Exception ignored in. <ssl:pytest.PytestUnraisableExceptionWarning",
)
def test_tls_checks_the_certificate(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    mosquitto = Mosquitto(
        tmp_path, "allow_anonymous true", f"certfile {certificate}", f"keyfile {key}", "user root"
    ).start()
    try:
        broker = replace(mosquitto.broker, address=Address("localhost", mosquitto.port), tls=True)
        with pytest.raises(ConnectionError, match="certificate verify failed"):
            Mqtt(broker, status_source().now())
        Mqtt(replace(broker, ca_file=certificate), status_source().now()).close()
    finally:
        mosquitto.stop()


def test_what_the_settings_mean(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    broker = broker_of(
        MqttConfig(broker="broker.lan", user="anna", password_file=password, name="x", topic="a/b")
    )
    assert (str(broker.address), broker.topic, broker.password) == ("broker.lan:1883", "a/b/x", PASSWORD)
    assert PASSWORD not in repr(broker)
    assert broker_of(MqttConfig(broker="broker.lan", tls=True)).address.port == 8883
    assert broker_of(MqttConfig(broker="broker.lan:99", tls=True)).address.port == 99
    with pytest.raises(InputError, match="no such file"):
        broker_of(MqttConfig(broker="broker.lan", password_file=tmp_path / "missing"))
    with pytest.raises(InputError, match="no such file"):
        broker_of(MqttConfig(broker="broker.lan", ca_file=tmp_path / "missing"))


def test_without_paho_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    with pytest.raises(InputError, match=r"pip install 'pi-infer\[mqtt\]'"):
        broker_of(MqttConfig(broker="broker.lan"))
