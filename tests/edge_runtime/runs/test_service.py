import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_runtime.base.notify import Notifier
from edge_runtime.frames.base import Frame
from edge_runtime.inference import Model
from edge_runtime.pipeline import Pipeline
from edge_runtime.runs import service
from tests.edge_runtime.frames.web_cameras import NetworkCamera, serving

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakeNetwork = Callable[..., Path]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket that listens as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30)
        yield listener


def start(manager: socket.socket, *arguments: str, watchdog_us: int = 400_000) -> "subprocess.Popen[str]":
    environment = {**os.environ, "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": str(watchdog_us)}
    environment.pop("WATCHDOG_PID", None)
    command = [sys.executable, "-m", "edge_runtime.cli", "service", *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def receive(manager: socket.socket) -> str:
    return manager.recv(4096).decode()


def test_ready_then_pings_then_a_clean_end_on_sigterm(
    make_network: MakeNetwork, manager: socket.socket
) -> None:
    with start(manager, "--source", "demo", "--model", str(make_network()), "--log-seconds", "1") as service:
        assert receive(manager) == "STATUS=no frame yet"
        assert receive(manager).startswith("READY=1\nSTATUS=frame ")
        heard = [receive(manager)]
        while not heard[-1].startswith("STATUS="):
            heard.append(receive(manager))
        service.send_signal(signal.SIGTERM)
        while (last := receive(manager)) != "STOPPING=1":
            heard.append(last)
        out, err = service.communicate(timeout=30)
    assert service.returncode == 0
    assert err == ""
    assert heard.count("WATCHDOG=1") >= 2
    assert any(state.startswith("STATUS=frame ") for state in heard)
    lines = out.splitlines()
    assert lines[0].startswith("ready with ")
    assert " fps, latency p50 " in lines[1]
    assert lines[-1] == "ending on SIGTERM"


def test_a_service_that_fails_never_says_it_is_ready(manager: socket.socket, tmp_path: Path) -> None:
    with start(manager, "--source", "demo", "--model", str(tmp_path / "missing.onnx")) as service:
        assert receive(manager) == "STOPPING=1"
        _, err = service.communicate(timeout=30)
    assert service.returncode == 2
    assert err.startswith("pi-infer: error: cannot read ")


def test_a_log_that_is_full_does_not_end_the_service(
    make_network: MakeNetwork, pi_infer: Run, video: Path, tmp_path: Path
) -> None:
    arguments = (
        "service",
        "--source",
        video,
        "--every-frame",
        "--model",
        make_network(),
        "--jsonl",
        "x.jsonl",
    )
    with Path("/dev/full").open("w") as full:
        done = pi_infer(*arguments, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 12


def test_the_end_of_the_source_ends_the_service(
    make_network: MakeNetwork, manager: socket.socket, video: Path
) -> None:
    with start(manager, "--source", str(video), "--every-frame", "--model", str(make_network())) as service:
        service.communicate(timeout=30)
    assert service.returncode == 0
    assert receive(manager) == "STATUS=no frame yet"
    assert receive(manager).startswith("READY=1")


def test_while_a_stream_is_opened_again_the_watchdog_is_kept_quiet(
    make_network: MakeNetwork, manager: socket.socket
) -> None:
    flags = ("--model", str(make_network()), "--reconnects", "40")
    with serving(NetworkCamera) as camera:
        port = camera.server_port
        process = start(manager, "--source", f"http://127.0.0.1:{port}", *flags, watchdog_us=2_000_000)
        while not receive(manager).startswith("READY=1"):
            pass
    with process:  # nobody answers any more
        heard = [receive(manager) for _ in range(60)]
        told = [state for state in heard if "is being opened again" in state]
        assert heard.count("WATCHDOG=1") >= 5
        assert told[-1].startswith("STATUS=the source stopped ")
        with serving(NetworkCamera, port):
            while not receive(manager).startswith("STATUS=frame "):
                pass
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


class Watched(Notifier):
    """Counts the signs of life."""

    def __init__(self) -> None:
        super().__init__({})
        self.signs = 0

    def alive(self) -> None:
        self.signs += 1


@pytest.mark.parametrize(
    ("reopening_s", "signs"),
    [(0.0, 0), (0.1, 1), (service.REOPENING_LIMIT_S, 1), (service.REOPENING_LIMIT_S + 1, 0)],
)
def test_waiting_is_a_sign_of_life_only_while_a_source_is_opened_again_and_not_for_ever(
    make_network: MakeNetwork, reopening_s: float, signs: int
) -> None:
    watched = Watched()
    pipeline = Pipeline(Stopped(reopening_s), Model.open(make_network()))
    service.tell_of_reopening(pipeline, watched)
    assert watched.signs == signs


class Stopped:
    """A live source that has been trying to be open again for some time."""

    live = True
    limit_s = 1.0

    def __init__(self, reopening_s: float) -> None:
        self.reopening_s = reopening_s

    def __iter__(self) -> Iterator[Frame]:
        return iter(())

    def close(self) -> None:
        pass
