"""The benchmark's report as data, and as JSON, as a table for the terminal, and as Markdown."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

from edge_runtime.base.names import readable_document

HEADER = (
    "Network",
    "Mean ± σ [ms]",  # noqa: RUF001  the Greek letter is meant
    "p50",
    "p90",
    "p99",
    "Min … max",
    "FPS",
    "Load [ms]",
    "Peak RSS [MiB]",
    "of the model",
)


@dataclass(frozen=True)
class Latency:
    """The latency of the frames in milliseconds: percentiles, mean, standard deviation and range."""

    p50: float
    p90: float
    p99: float
    mean: float
    stdev: float
    min: float
    max: float


@dataclass(frozen=True)
class Comparison:
    """A network against its baseline.

    Attributes:
        speedup: Median latency of the baseline over that of the network, all rounds together.
        speedup_min: The least such ratio within one round.
        speedup_max: The greatest such ratio within one round.
        rss_ratio: Peak memory of the network's process over that of the baseline's.
    """

    speedup: float
    speedup_min: float
    speedup_max: float
    rss_ratio: float


@dataclass(frozen=True)
class ModelResult:
    """What was measured on one network over all rounds.

    Attributes:
        name: File name.
        path: Path of the file, as it was given.
        sha256: SHA-256 of the file.
        fps: Frames per second over N - 1 intervals.
        latency_ms: Latency over the frames of all rounds.
        load_ms: Reading the file and preparing the session; median over the rounds.
        peak_rss_mib: VmHWM of the process; median over the rounds.
        model_rss_mib: The part of it above the same process before it loaded the network.
        frames: Frames timed, warm-up excluded.
        round_p50_ms: Median latency of each round.
        engine: What ran it.
        against_first: How it compares with the first of the report; None for that one.
    """

    name: str
    path: str
    sha256: str
    fps: float
    latency_ms: Latency
    load_ms: float
    peak_rss_mib: float
    model_rss_mib: float
    frames: int
    round_p50_ms: tuple[float, ...]
    engine: str = "onnxruntime"
    against_first: Comparison | None = None


@dataclass(frozen=True)
class Machine:
    """The machine that was measured on; None where it does not say.

    Attributes:
        model: The board.
        cpu: The processor.
        cores: Processors online.
        arch: The architecture, as ``uname -m`` says.
        os: The operating system.
        kernel: Release of the kernel.
        memory_mib: Memory the kernel manages.
        versions: Versions of python, onnxruntime, numpy and opencv.
        threads: Threads within one inference.
        governor: Frequency governor.
        temperature_before_c: Before the first round.
        temperature_after_c: After the last round.
        throttled_before: What the firmware reported before the first round; None where there is no vcgencmd.
        throttled_after: What the firmware reported after the last round.
    """

    model: str
    cpu: str
    cores: int
    arch: str
    os: str
    kernel: str
    memory_mib: float
    versions: Mapping[str, str]
    threads: int
    governor: str | None
    temperature_before_c: float | None
    temperature_after_c: float | None
    throttled_before: tuple[str, ...] | None
    throttled_after: tuple[str, ...] | None


@dataclass(frozen=True)
class BenchReport:
    """The report of a benchmark, whose fields are the keys of its JSON.

    Attributes:
        models: The baseline first, if there is one.
        speedup: Median latency of the first over that of the last; None for a single one.
        speedup_min: The least of the rounds' ratios.
        speedup_max: The greatest of the rounds' ratios.
        rss_ratio: Peak memory of the last over that of the first.
        valid: False if the run was disturbed; the figures are given all the same.
        reasons: Why it is not valid.
        timed: What the latency covers.
        source: Where the frames came from; None for one fixed frame.
        seconds: Measured for each network in each round.
        rounds: Processes started for each network.
        machine: The machine that was measured on.
        version: Version of this program.
    """

    models: tuple[ModelResult, ...]
    speedup: float | None
    speedup_min: float | None
    speedup_max: float | None
    rss_ratio: float | None
    valid: bool
    reasons: tuple[str, ...]
    timed: str
    source: str | None
    seconds: float
    rounds: int
    machine: Machine
    version: str


def to_json(report: BenchReport) -> str:
    """A benchmark's report as indented JSON with a final newline."""
    return json.dumps(readable_document(asdict(report)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> BenchReport:
    """Read a benchmark's report from what ``to_json`` wrote; keys it does not know are ignored.

    Raises:
        ValueError: It is not such a report.
    """
    try:
        document = _known(BenchReport, json.loads(text))
        models = tuple(_model(fields) for fields in document["models"])
        machine = _tuples(_known(Machine, document["machine"]), "throttled_before", "throttled_after")
        report = BenchReport(
            **{**_tuples(document, "reasons"), "models": models, "machine": Machine(**machine)}
        )
        table(report)  # fields of the wrong type show themselves when used
    # Whatever another machine sent: a report is right if it can be read and shown.
    except (TypeError, LookupError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"not a benchmark report: {type(error).__name__} {error}") from error
    return report


def table(report: BenchReport) -> str:
    """A benchmark's report for a terminal: a row per network, the comparison last, then warnings."""
    rows = _rows(report)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    if sentences := comparisons(report):
        lines += ["", *(f"  {sentence}" for sentence in sentences)]
    lines += ["", *(f"  {line}" for line in _circumstances(report))]
    lines += [f"  Warning: disturbed: {reason}" for reason in report.reasons]
    return _printable(lines)


def markdown(report: BenchReport) -> str:
    """A benchmark's report as a Markdown table, with the comparison and the circumstances below."""
    header, *rows = _rows(report)
    # Names to the left, figures to the right, so that their points stand beneath each other.
    lines = [_markdown_row(header), "|:---" + "|---:" * (len(header) - 1) + "|", *map(_markdown_row, rows)]
    for sentence in comparisons(report):
        lines += ["", f"**{sentence}**"]
    lines += ["", *(f"- {line}" for line in _circumstances(report))]
    lines += [f"- **Warning:** disturbed: {reason}" for reason in report.reasons]
    return _printable(lines)


def comparison(report: BenchReport) -> str | None:
    """How much faster and smaller the last network is than the first, in a sentence; None for one alone."""
    parts = (report.speedup, report.speedup_min, report.speedup_max, report.rss_ratio)
    ratio, low, high, rss_ratio = parts
    if ratio is None or low is None or high is None or rss_ratio is None:
        return None
    return _sentence(_names(report)[-1], _names(report)[0], Comparison(ratio, low, high, rss_ratio))


def comparisons(report: BenchReport) -> list[str]:
    """How much faster and smaller each network is than the first, a sentence each."""
    names, between = _names(report), report.models[1:-1]
    found = [
        _sentence(name, names[0], model.against_first)
        for name, model in zip(names[1:], between, strict=False)
        if model.against_first is not None
    ]
    last = comparison(report)
    return found if last is None else [*found, last]


def _sentence(model: str, baseline: str, found: Comparison) -> str:
    ratio, low, high = found.speedup, found.speedup_min, found.speedup_max
    words = "faster"
    if ratio < 1:  # the greatest of the ratios is the least of their inverses
        ratio, low, high, words = 1 / ratio, 1 / high, 1 / low, "slower"
    return (
        f"{model} is {ratio:.2f}x ({low:.2f} to {high:.2f}) {words} than {baseline}, "
        f"uses {found.rss_ratio:.2f}x the memory"
    )


def display_names(contestants: Sequence[tuple[str, str]]) -> list[str]:
    """What to call networks with their engines.

    Args:
        contestants: The path of each, and its engine.

    Returns:
        Their file names, or their whole paths where two files have the same name; with the engine where it
        is not the same for all.
    """
    paths = {path for path, _ in contestants}
    own_names = len({PurePath(path).name for path in paths}) == len(paths)
    engines = {engine for _, engine in contestants}
    return [
        (PurePath(path).name if own_names else path) + (f" ({engine})" if len(engines) > 1 else "")
        for path, engine in contestants
    ]


def _names(report: BenchReport) -> list[str]:
    return display_names([(model.path, model.engine) for model in report.models])


def _rows(report: BenchReport) -> list[tuple[str, ...]]:
    return [HEADER, *(_row(name, model) for name, model in zip(_names(report), report.models, strict=True))]


def _row(name: str, model: ModelResult) -> tuple[str, ...]:
    ms = model.latency_ms
    return (
        name,
        f"{_figure(ms.mean)} ± {_figure(ms.stdev)}",
        *(_figure(value) for value in (ms.p50, ms.p90, ms.p99)),
        f"{_figure(ms.min)} … {_figure(ms.max)}",
        *(_figure(value) for value in (model.fps, model.load_ms, model.peak_rss_mib, model.model_rss_mib)),
    )


def _circumstances(report: BenchReport) -> list[str]:
    machine = report.machine
    board = [machine.model, machine.cpu, f"{machine.cores} cores", machine.arch, machine.os, machine.kernel]
    frames = "one fixed frame" if report.source is None else f"frames of {report.source}"
    lines = [
        f"Timed: {report.timed}, {frames}",
        f"Runs: {report.rounds} of {report.seconds:g} s, a fresh process each; threads: {machine.threads}",
        "Machine: " + ", ".join(part for part in board if part != "unknown"),
        "Versions: " + ", ".join(f"{name} {version}" for name, version in machine.versions.items()),
    ]
    before, after = machine.temperature_before_c, machine.temperature_after_c
    if before is not None and after is not None:
        lines.append(f"Temperature: {before:.0f} °C before, {after:.0f} °C after")
    if machine.governor is not None:
        lines.append(f"Frequency governor: {machine.governor}")
    return lines


def _printable(lines: Sequence[str]) -> str:
    """Lines without control characters: a report may come from another machine and must not drive ours."""
    return "".join("".join(c if c.isprintable() else "?" for c in line) + "\n" for line in lines)


def _figure(value: float) -> str:
    """A number in three significant digits, and never with an exponent."""
    digits = 0 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 4)}f}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    name, *figures = row
    return [name.ljust(widths[0]), *(figure.rjust(w) for figure, w in zip(figures, widths[1:], strict=True))]


def _markdown_row(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _model(fields: Mapping[str, Any]) -> ModelResult:
    # JSON has no tuples: its lists become what the dataclasses promise.
    known = _tuples(_known(ModelResult, fields), "round_p50_ms")
    found = known.get("against_first")
    parts = {
        "latency_ms": Latency(**_known(Latency, known["latency_ms"])),
        "against_first": None if found is None else Comparison(**_known(Comparison, found)),
    }
    return ModelResult(**{**known, **parts})


def _known(kind: type[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    # A newer release there may send more: keys are added, never changed.
    return {key: value for key, value in fields.items() if key in kind.__dataclass_fields__}


def _tuples(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
    as_tuple = {name: None if fields[name] is None else tuple(fields[name]) for name in names}
    return {**fields, **as_tuple}
