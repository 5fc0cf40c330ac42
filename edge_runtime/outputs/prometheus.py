"""Figures in Prometheus' text format, version 0.0.4, and the file of them that node-exporter picks up.

Written by hand in 0.2 MiB: prometheus_client would take 8 to say the same.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime import __version__
from edge_runtime.base.errors import InputError
from edge_runtime.base.files import atomic_path, require_writable
from edge_runtime.results.status import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MIB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """One line of a metric.

    Attributes:
        value: Left out where NaN: unknown.
        labels: By name.
        suffix: Of the metric's name, for the parts of a summary.
    """

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True)
class Metric:
    """A metric of Prometheus': its name, its type, its description in words, and its samples."""

    name: str
    kind: str
    words: str
    samples: Iterable[Sample]


def exposition(status: Status) -> str:
    """All metrics of a run, in Prometheus' text format."""
    return "".join(_text(metric) for metric in (*_run_metrics(status), *_machine_metrics(status)))


class Textfile:
    """A file that is replaced by a newer version of itself each time it is told how the run stands."""

    def __init__(self, path: Path) -> None:
        """Check that the file can be written.

        Args:
            path: ``NAME.prom``.

        Raises:
            InputError: It cannot, or node-exporter would not read it.
        """
        if path.suffix != ".prom":
            raise InputError(f"cannot write {path}: node-exporter reads only files named *.prom")
        require_writable(path)
        self._path = path

    def publish(self, status: Status) -> None:
        """Replace the file by the figures of now. Raises ``InputError`` where that is impossible."""
        with atomic_path(self._path) as temporary:
            temporary.write_text(exposition(status), encoding="utf-8")
            temporary.chmod(0o644)  # node-exporter is another user, whatever our umask

    def close(self) -> None:
        """Remove the file: figures of a run that ended are wrong."""
        self._path.unlink(missing_ok=True)


def _run_metrics(status: Status) -> Iterator[Metric]:
    run, latency = status.run, status.run.latency
    yield Metric(
        "pi_infer_info", "gauge", "What runs.", [Sample(1, {"model": status.model, "version": __version__})]
    )
    yield Metric("pi_infer_frames_total", "counter", "Frames finished.", [Sample(run.frames)])
    yield Metric(
        "pi_infer_frames_dropped_total", "counter", "Frames overtaken by newer ones.", [Sample(run.dropped)]
    )
    yield Metric(
        "pi_infer_frames_invalid_total", "counter", "Frames with NaN outputs.", [Sample(run.invalid)]
    )
    yield Metric("pi_infer_frames_per_second", "gauge", "Over the last few frames.", [Sample(run.fps)])
    quantiles = {"0.5": latency.p50_ms, "0.9": latency.p90_ms, "0.99": latency.p99_ms}
    samples = [Sample(value / 1e3, {"quantile": name}) for name, value in quantiles.items()]
    samples += [Sample(run.latency_total_s, suffix="_sum"), Sample(run.frames, suffix="_count")]
    yield Metric("pi_infer_latency_seconds", "summary", "Taking a frame up to its result.", samples)
    age_s = run.last.age_ms / 1e3 if run.last else math.nan
    yield Metric(
        "pi_infer_frame_age_seconds", "gauge", "Capture of the newest frame to its result.", [Sample(age_s)]
    )
    yield Metric("pi_infer_silence_seconds", "gauge", "Since the newest result.", [Sample(run.silence_s)])


def _machine_metrics(status: Status) -> Iterator[Metric]:
    resident = [Sample(status.rss_mib * MIB)]
    yield Metric("pi_infer_resident_memory_bytes", "gauge", "Memory of this process.", resident)
    if status.temperature_c is not None:
        hottest = [Sample(status.temperature_c)]
        yield Metric("pi_infer_temperature_celsius", "gauge", "The hottest part of the machine.", hottest)
    if status.throttled is not None:
        throttled = [Sample(status.throttled_now)]
        yield Metric("pi_infer_throttled", "gauge", "Whether something slows the machine now.", throttled)
    failing = [Sample(state.failing, {"output": state.name}) for state in status.outputs]
    yield Metric("pi_infer_output_failing", "gauge", "Whether the last attempt failed.", failing)
    skipped = [Sample(state.skipped, {"output": state.name}) for state in status.outputs]
    yield Metric("pi_infer_output_skipped_total", "counter", "Frames that an output did not get.", skipped)


def _text(metric: Metric) -> str:
    """The metric's lines, or nothing where all of it is unknown."""
    name = metric.name
    lines = [_line(name, sample) for sample in metric.samples if not math.isnan(sample.value)]
    head = [f"# HELP {name} {metric.words}", f"# TYPE {name} {metric.kind}"]
    return "\n".join([*head, *lines, ""]) if lines else ""


def _line(name: str, sample: Sample) -> str:
    labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sample.labels.items())
    braces = f"{{{labels}}}" if labels else ""
    return f"{name}{sample.suffix}{braces} {float(sample.value)!r}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
