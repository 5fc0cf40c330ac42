"""Doing something now and then: a ping, a line of a log, a line on a terminal."""


class Pace:
    """Says when something is due that shall happen at once, and then at most once in an interval.

    It holds no clock: each caller hands it the time it goes by.
    """

    def __init__(self, interval_ns: int) -> None:
        """Begin; nothing has happened yet.

        Args:
            interval_ns: The least time from one occasion to the next; 0 makes it due whenever it is asked.
        """
        self._interval_ns = interval_ns
        # Not 0 for "never": the monotonic clock counts from boot, and a service may start seconds after it.
        self._last_ns: int | None = None

    def due(self, now_ns: int) -> bool:
        """Whether it is time; if so, the next interval begins now.

        Args:
            now_ns: The time in nanoseconds, on a clock that never steps back and may have begun anywhere.
        """
        # The next interval begins now and not when it was due: after a silence, nothing is caught up on.
        if self._last_ns is not None and now_ns - self._last_ns < self._interval_ns:
            return False
        self._last_ns = now_ns
        return True
