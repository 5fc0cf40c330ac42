"""How a run stands: what the live page, MQTT, Prometheus and the terminal view say about it."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge_runtime.machine.board import Condition, read_condition, throttling
from edge_runtime.results.metrics import rss_mib
from edge_runtime.results.summary import NO_FRAME_YET, RunSnapshot, RunSummary

CONDITION_INTERVAL_S = 2.0


@dataclass(frozen=True)
class OutputState:
    """How an output fares.

    Attributes:
        name: As in the settings.
        failing: Whether the last attempt failed.
        skipped: How many frames (or states of the run, if it is told those) it did not get: overtaken by
            newer ones, or lost while it failed.
    """

    name: str
    failing: bool
    skipped: int


@dataclass(frozen=True)
class Status:
    """A run and its machine at one moment.

    Attributes:
        model: File name of the network.
        run: Its frames, its pace and its newest result.
        rss_mib: Resident memory of this process.
        temperature_c: The hottest part of the machine; None where it does not say.
        throttled: What slows the machine, or did since boot; None where it does not say.
        outputs: How the outputs fare.
    """

    model: str
    run: RunSnapshot
    rss_mib: float
    temperature_c: float | None
    throttled: tuple[str, ...] | None
    outputs: tuple[OutputState, ...]

    def words(self) -> str:
        """The newest result in a few words, or that there is none yet."""
        return self.run.last.result.words() if self.run.last else NO_FRAME_YET

    @property
    def throttled_now(self) -> bool:
        """Whether something slows the machine at this moment."""
        return any(not words.endswith("since boot") for words in self.throttled or ())

    def to_document(self) -> dict[str, Any]:
        """What ``/status.json`` and MQTT say: keys may be added, but none changes; the unknown is None."""
        run, latency, last = self.run, self.run.latency, self.run.last
        return {
            "model": self.model,
            "frames": run.frames,
            "fps": _rounded(run.fps),
            "latency_ms": {
                "p50": _rounded(latency.p50_ms),
                "p90": _rounded(latency.p90_ms),
                "p99": _rounded(latency.p99_ms),
            },
            "age_ms": round(last.age_ms, 1) if last else None,
            "silence_s": round(run.silence_s, 1),
            "uptime_s": round(run.uptime_s, 1),
            "dropped": run.dropped,
            "invalid": run.invalid,
            "rss_mib": _rounded(self.rss_mib),
            "temperature_c": self.temperature_c,
            "throttled": None if self.throttled is None else list(self.throttled),
            "throttled_now": self.throttled_now,
            "summary": self.words(),
            "result": last.to_document() if last else None,
            "outputs": {
                state.name: {"failing": state.failing, "skipped": state.skipped} for state in self.outputs
            },
        }


class ConditionWatch:
    """The machine's condition, read anew at most every two seconds however many ask."""

    def __init__(self, read: Callable[[], Condition] = read_condition) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._due_s = -math.inf
        self._condition: Condition | None = None

    def now(self) -> Condition:
        """The condition, at most two seconds old."""
        with self._lock:
            if self._condition is None or time.monotonic() >= self._due_s:
                self._condition = self._read()
                self._due_s = time.monotonic() + CONDITION_INTERVAL_S
            return self._condition


@dataclass(frozen=True)
class StatusSource:
    """Where the outputs learn how the run stands; may be asked from any thread.

    Attributes:
        model: File name of the network.
        summary: Counts the run.
        condition: Watches the machine.
        states: Of the outputs, as functions because they change.
    """

    model: str
    summary: RunSummary
    condition: ConditionWatch = field(default_factory=ConditionWatch)
    states: list[Callable[[], OutputState]] = field(default_factory=list)

    def now(self) -> Status:
        """The status at this moment."""
        condition = self.condition.now()
        bits = condition.throttled_bits
        return Status(
            model=self.model,
            run=self.summary.snapshot(),
            rss_mib=rss_mib(),
            temperature_c=condition.temperature_c,
            throttled=None if bits is None else throttling(bits),
            outputs=tuple(state() for state in self.states),
        )


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
