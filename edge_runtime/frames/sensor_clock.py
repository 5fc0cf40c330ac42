"""When the sensor took each frame, and how many it took in between, from libcamera's metadata."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Exposure:
    """Which frame it is.

    Attributes:
        sequence: Number of the frame at the sensor, from 0.
        captured_ns: When the exposure began, on the clock of ``time.monotonic_ns``.
    """

    sequence: int
    captured_ns: int


class SensorClock:
    """Numbers the frames of a sensor by their time stamps.

    The frames that picamera2 and libcamera lose on the way leave no other trace: a gap of two frame durations
    is one lost frame.
    """

    def __init__(self) -> None:
        self._sequence = -1  # the first frame counts one up, to 0
        self._stamp_ns: int | None = None
        self._duration_us = 0

    def read(self, metadata: Mapping[str, Any]) -> Exposure:
        """Number one more frame and tell when it was taken, given its metadata of libcamera's."""
        stamp_ns = metadata.get("SensorTimestamp")
        duration_us = int(metadata.get("FrameDuration", 0))
        self._sequence += self._steps(stamp_ns, duration_us)
        self._stamp_ns, self._duration_us = stamp_ns, duration_us
        return Exposure(self._sequence, _monotonic_ns(stamp_ns))

    def _steps(self, stamp_ns: int | None, duration_us: int) -> int:
        # Automatic exposure changes the duration from frame to frame: the longer one invents no lost frame.
        longest_us = max(duration_us, self._duration_us)
        if stamp_ns is None or self._stamp_ns is None or longest_us == 0:
            return 1
        return max(1, round((stamp_ns - self._stamp_ns) / (1000 * longest_us)))


def _monotonic_ns(stamp_ns: int | None) -> int:
    """A stamp of either clock that drivers use, on the monotonic one.

    The documentation of libcamera names the boot clock. Most drivers stamp by the monotonic one, which stands
    still while the machine is suspended and so lags behind; a stamp from the future is one of the boot clock.
    """
    now_ns = time.monotonic_ns()
    if stamp_ns is None:
        return now_ns
    if stamp_ns <= now_ns:
        return stamp_ns
    ahead_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    return min(now_ns, stamp_ns - ahead_ns)
