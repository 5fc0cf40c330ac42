import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.base.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """A socket that listens as systemd does."""
    name = str(tmp_path / "notify") if request.param == "path" else f"\0{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.setblocking(False)
        yield listener


def environment(manager: socket.socket, **more: str) -> dict[str, str]:
    name = manager.getsockname()
    return {"NOTIFY_SOCKET": "@" + name[1:].decode() if isinstance(name, bytes) else name, **more}


def received(manager: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(manager.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_a_manager_that_does_not_listen_is_no_reason_to_end(tmp_path: Path) -> None:
    for name in (str(tmp_path / "nobody"), "x" * 300):
        Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "junk"}).ready("first frame")


def test_the_states_of_a_life(manager: socket.socket) -> None:
    notifier = Notifier(environment(manager))
    notifier.ready("first frame")
    notifier.status("going on")
    notifier.stopping()
    assert received(manager) == ["READY=1\nSTATUS=first frame", "STATUS=going on", "STOPPING=1"]


def test_pings_are_at_least_a_quarter_of_the_watchdog_time_apart(manager: socket.socket) -> None:
    notifier = Notifier(environment(manager, WATCHDOG_USEC=str(3600 * 10**6)))
    for _ in range(100):
        notifier.alive()
    assert received(manager) == ["WATCHDOG=1"]


def test_each_frame_pings_when_frames_are_rare(manager: socket.socket) -> None:
    notifier = Notifier(environment(manager, WATCHDOG_USEC="1", WATCHDOG_PID=str(os.getpid())))
    for _ in range(3):
        notifier.alive()
    assert received(manager) == ["WATCHDOG=1"] * 3


def test_no_pings_for_a_watchdog_that_watches_nobody_or_somebody_else(manager: socket.socket) -> None:
    for more in ({}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}):
        Notifier(environment(manager, **more)).alive()
    assert received(manager) == []


def test_without_a_service_manager_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready("")
    notifier.alive()
    notifier.stopping()
