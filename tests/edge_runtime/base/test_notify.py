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


@pytest.mark.parametrize("boot_s", [0, 1, 10**9])
def test_the_first_ping_goes_out_at_once_and_the_others_a_quarter_of_the_watchdog_time_apart(
    manager: socket.socket, boot_s: int
) -> None:
    now_ns = boot_s * 10**9
    notifier = Notifier(environment(manager, WATCHDOG_USEC=str(400 * 10**6)), clock=lambda: now_ns)
    pinged_s = []
    for second in range(301):
        now_ns = (boot_s + second) * 10**9
        notifier.alive()
        pinged_s += [second] * len(received(manager))
    assert pinged_s == [0, 100, 200, 300]


def test_each_frame_pings_when_frames_are_rare(manager: socket.socket) -> None:
    watched = environment(manager, WATCHDOG_USEC="400000", WATCHDOG_PID=str(os.getpid()))
    times_ns = iter([0, 10**8, 2 * 10**8])
    notifier = Notifier(watched, clock=lambda: next(times_ns))
    for _ in range(3):
        notifier.alive()
    assert received(manager) == ["WATCHDOG=1"] * 3


def test_a_silence_is_followed_by_one_ping_and_not_by_all_that_were_missed(manager: socket.socket) -> None:
    times_ns = iter([0, 10**12, 10**12 + 1])
    notifier = Notifier(environment(manager, WATCHDOG_USEC="400000"), clock=lambda: next(times_ns))
    for _ in range(3):
        notifier.alive()
    assert received(manager) == ["WATCHDOG=1"] * 2


def test_no_pings_for_a_watchdog_that_watches_nobody_or_somebody_else(manager: socket.socket) -> None:
    for more in ({}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}):
        Notifier(environment(manager, **more)).alive()
    assert received(manager) == []


def test_without_a_service_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    notifier = Notifier({"WATCHDOG_USEC": "1"})
    notifier.ready("")
    notifier.alive()
    notifier.stopping()
