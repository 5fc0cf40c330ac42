"""Telling systemd how we are: the notification protocol of ``sd_notify(3)``, without a library."""

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends states to the service manager; without one (no NOTIFY_SOCKET) it does nothing."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        self._interval_ns = _watchdog_ns(environment) // 4
        self._alive_ns = 0

    def ready(self, status: str) -> None:
        """The service works."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Keep the watchdog quiet; sends at most every quarter of its time."""
        now_ns = time.monotonic_ns()
        if self._interval_ns and now_ns - self._alive_ns >= self._interval_ns:
            self._alive_ns = now_ns
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The service ends."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),  # it may be starting anew itself: no reason for us to end
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager,
        ):
            manager.sendto(state.encode(), self._address)


def _watchdog_ns(environment: Mapping[str, str]) -> int:
    """How long systemd waits for a sign of life; 0 if it does not watch this process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) * 1000 if microseconds.isdecimal() else 0
