"""One run in figures and words: what the live view and the service's log say about it."""

import math
import threading
import time
from dataclasses import dataclass

from edge_runtime.results.frame_result import FrameResult
from edge_runtime.results.metrics import FrameRate, LatencySummary, LatencyWindow, peak_rss_mib, rss_mib

NO_FRAME_YET = "no frame yet"


@dataclass(frozen=True)
class RunSnapshot:
    """A run at one moment.

    Attributes:
        frames: How many are finished.
        invalid: How many of them had outputs with NaN or infinity.
        fps: Frames a second over the last few; NaN before the second.
        latency: Percentiles of the latency over the last few frames.
        latency_total_s: The latencies of all frames, added up.
        last: The newest result; None before the first.
        uptime_s: Seconds since the run began.
    """

    frames: int
    invalid: int
    fps: float
    latency: LatencySummary
    latency_total_s: float
    last: FrameResult | None
    uptime_s: float

    @property
    def dropped(self) -> int:
        """How many frames of the source were overtaken by newer ones."""
        return self.last.dropped if self.last else 0

    @property
    def silence_s(self) -> float:
        """Seconds since the newest result, or since the run began where there is none."""
        return (time.monotonic_ns() - self.last.finished_ns) / 1e9 if self.last else self.uptime_s


class RunSummary:
    """Counts what a run does; ``add`` and ``snapshot`` may be called from different threads.

    Attributes:
        rate: Counts the frames and measures their pace.
        latency: The latencies of the last few frames.
        last: The newest result; None before the first.
    """

    def __init__(self, class_names: frozenset[str]) -> None:
        """Start counting.

        Args:
            class_names: The classes the network can tell. Accuracy is counted while every truth is among
                them: a folder's or the demo's names may be about something else.
        """
        self.rate = FrameRate()
        self.latency = LatencyWindow()
        self.last: FrameResult | None = None
        self._class_names = class_names
        self._lock = threading.Lock()
        self._started_ns = time.monotonic_ns()
        self._latency_total_ms = 0.0
        self._invalid = 0
        self._labelled = 0
        self._comparable = True
        self._correct = 0

    def add(self, frame_result: FrameResult) -> None:
        """Count one finished frame, and take it for the newest."""
        with self._lock:
            self.rate.add(frame_result.finished_ns)
            self.latency.add(frame_result.latency_ms)
            self._latency_total_ms += frame_result.latency_ms
            self._invalid += not frame_result.result.valid
            self.last = frame_result
        # Not under the lock: only ``totals`` reads what follows, on the thread that counts.
        if frame_result.frame.label is not None:
            self._labelled += 1
            self._comparable &= frame_result.frame.label in self._class_names
            best = frame_result.best()
            self._correct += best is not None and best.label == frame_result.frame.label

    def snapshot(self) -> RunSnapshot:
        """The run as it stands at this moment, safe from what is counted meanwhile."""
        with self._lock:
            return RunSnapshot(
                frames=self.rate.frames,
                invalid=self._invalid,
                fps=self.rate.recent_fps,
                latency=self.latency.summary(),
                latency_total_s=self._latency_total_ms / 1e3,
                last=self.last,
                uptime_s=(time.monotonic_ns() - self._started_ns) / 1e9,
            )

    def line(self) -> str:
        """The newest frame and the pace of the run, in one line for people."""
        if self.last is None:
            return NO_FRAME_YET
        p50_ms = self.latency.summary().p50_ms
        pace = [*_rate(self.rate.recent_fps), f"p50 {p50_ms:.1f} ms", f"age {self.last.age_ms:.0f} ms"]
        return f"{self.last.words()} | {', '.join(pace)}"

    def totals(self) -> str:
        """The whole run so far, in one line for people."""
        latency = self.latency.summary()
        parts = [
            f"{self.rate.frames} frame{'s' * (self.rate.frames != 1)}",
            *_rate(self.rate.overall_fps),
            f"latency p50 {latency.p50_ms:.1f}, p90 {latency.p90_ms:.1f}, p99 {latency.p99_ms:.1f} ms",
            f"{self.last.dropped if self.last else 0} dropped",
            f"memory {rss_mib():.0f} MiB (peak {peak_rss_mib():.0f})",
        ]
        if self._invalid:
            parts.append(f"{self._invalid} frames with NaN or infinite outputs")
        if self._labelled and self._comparable:
            share = 100 * self._correct / self._labelled
            parts.append(f"{share:.1f} % of {self._labelled} labelled frames right")
        return ", ".join(parts)


def _rate(fps: float) -> list[str]:
    """The rate in words; none before it is known."""
    return [] if math.isnan(fps) else [f"{fps:.1f} fps"]
