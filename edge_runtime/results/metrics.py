"""How fast a run goes and how much memory it takes, in bounded memory however long it lasts."""

import math
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

STATUS = Path("/proc/self/status")
WINDOW = 300


@dataclass(frozen=True)
class LatencySummary:
    """Percentiles of the latencies in a window, in milliseconds; NaN while it is empty."""

    p50_ms: float
    p90_ms: float
    p99_ms: float


class LatencyWindow:
    """Keeps the latencies of the last few frames, and no more memory than they take."""

    def __init__(self, size: int = WINDOW) -> None:
        self._values_ms: deque[float] = deque(maxlen=size)

    def add(self, latency_ms: float) -> None:
        """Count the latency of one frame, in milliseconds; the oldest falls out of a full window."""
        self._values_ms.append(latency_ms)

    def summary(self) -> LatencySummary:
        """Percentiles of the latencies in the window."""
        if not self._values_ms:
            return LatencySummary(math.nan, math.nan, math.nan)
        return LatencySummary(*(float(value) for value in np.percentile(list(self._values_ms), (50, 90, 99))))


class FrameRate:
    """Frames a second, now and over the whole run: N frames span N - 1 intervals, so one has no rate."""

    def __init__(self, size: int = WINDOW) -> None:
        self._recent_ns: deque[int] = deque(maxlen=size)
        self._first_ns = 0
        self.frames = 0

    def add(self, finished_ns: int) -> None:
        """Count a frame that was finished at this time, in nanoseconds of a clock that never steps back."""
        if self.frames == 0:
            self._first_ns = finished_ns
        self._recent_ns.append(finished_ns)
        self.frames += 1

    @property
    def recent_fps(self) -> float:
        """Frames a second over the last few; NaN before the second."""
        return (
            _rate(len(self._recent_ns), self._recent_ns[0], self._recent_ns[-1]) if self.frames else math.nan
        )

    @property
    def overall_fps(self) -> float:
        """Frames a second over the whole run; NaN before the second."""
        return _rate(self.frames, self._first_ns, self._recent_ns[-1]) if self.frames else math.nan


def _rate(frames: int, first_ns: int, last_ns: int) -> float:
    return (frames - 1) / ((last_ns - first_ns) / 1e9) if last_ns > first_ns else math.nan


def rss_mib(status: Path = STATUS) -> float:
    """Resident memory of this process now, in MiB; NaN where the system does not say."""
    return _memory_mib(status, "VmRSS")


def peak_rss_mib(status: Path = STATUS) -> float:
    """The most resident memory this process ever had, in MiB; NaN where the system does not say."""
    return _memory_mib(status, "VmHWM")


def _memory_mib(status: Path, key: str) -> float:
    try:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return math.nan
    kib = [line.split()[1] for line in lines if line.startswith(f"{key}:")]
    return int(kib[0]) / 1024 if kib else math.nan
