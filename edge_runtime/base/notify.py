"""Telling systemd how we are: the notification protocol of ``sd_notify(3)``, without a library."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping

from edge_runtime.base.pace import Pace


class Notifier:
    """Sends states to the service manager; without one (no NOTIFY_SOCKET) it does nothing."""

    def __init__(
        self, environment: Mapping[str, str] = os.environ, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Read what systemd says to its services.

        Args:
            environment: Holds NOTIFY_SOCKET and, where systemd watches the service, WATCHDOG_USEC.
            clock: The time in nanoseconds, from any moment on; never steps back.
        """
        # An abstract socket, whose name begins with a NUL, is written with "@" in its place.
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        self._clock = clock
        watchdog_ns = _watchdog_ns(environment)
        # systemd advises a ping every half of the time; a quarter leaves room for one frame that takes long.
        self._pings = Pace(watchdog_ns // 4) if watchdog_ns else None

    def ready(self, status: str) -> None:
        """Tell systemd that the service works, and one line for ``systemctl status``."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """Tell systemd how the service stands: one line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Keep the watchdog quiet: sends at the first call, then at most every quarter of its time."""
        if self._pings is not None and self._pings.due(self._clock()):
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Tell systemd that the service ends."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),  # systemd may be starting anew itself: no reason for us to end
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager,
        ):
            manager.sendto(state.encode(), self._address)


def _watchdog_ns(environment: Mapping[str, str]) -> int:
    """How long systemd waits for a sign of life; 0 if it does not watch this process."""
    # The variables are inherited: what systemd said to whoever started us may not be meant for us.
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) * 1000 if microseconds.isdecimal() else 0
