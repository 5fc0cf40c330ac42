"""Baseline against reduced: a fresh process per network and round, the order alternated, statistics.

Two networks are never timed in one process, where the second would find the first one's memory and warm
caches, and never in one block each, where a machine that gets hot or busy would favour one of them.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_runtime import __version__
from edge_runtime.base.errors import CameraError, InputError, ModelRefusedError, PiInferError, RemoteError
from edge_runtime.base.termination import ended_like_interrupted
from edge_runtime.bench.report import BenchReport, Machine, display_names, from_json
from edge_runtime.bench.statistics import (
    FramesJob,
    Job,
    Round,
    compare,
    disturbances,
    heat_and_power,
    summarise,
)
from edge_runtime.machine.board import Condition, read_board, read_condition, throttling
from edge_runtime.remote.host import RemoteHost, file_sha256

BARE_RUN = "session.run alone"
FRAME_PATH = "preprocess, session.run and postprocess"

Progress = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class BenchSettings:
    """What to compare and how.

    Attributes:
        model: The network.
        baseline: What to compare it with.
        source: Frames to run through the whole frame path; None times ``session.run`` on one fixed frame.
        card: A model card to use instead of the networks' own.
        seconds: Measured for each network in each round, after the warm-up.
        rounds: Processes started for each network.
        threads: Threads within one inference; None for all processors.
    """

    model: Path
    baseline: Path | None = None
    source: str | None = None
    card: Path | None = None
    seconds: float = 2.0
    rounds: int = 5
    threads: int | None = None

    @property
    def networks(self) -> tuple[Path, ...]:
        """The baseline, if there is one, and the network."""
        return (self.model,) if self.baseline is None else (self.baseline, self.model)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one of our child processes found: the fields of its JSON, and the lines of its standard error."""

    fields: dict[str, Any]
    said: tuple[str, ...]


def bench(settings: BenchSettings, progress: Progress) -> BenchReport:
    """Measure here.

    Args:
        settings: What to compare and how.
        progress: Told what is being done, one line at a time.

    Raises:
        InputError: A network, card or source cannot be read.
        ModelRefusedError: A network cannot run.
    """
    digests = [file_sha256(path) for path in settings.networks]
    with ended_like_interrupted(), tempfile.TemporaryDirectory(prefix="pi-infer-bench-") as folder:
        frames = _decode_frames(settings, Path(folder), progress)
        conditions = [read_condition()]
        names = display_names([str(path) for path in settings.networks])
        rounds: list[list[Round]] = [[] for _ in names]
        for number in range(settings.rounds):
            for index in order(len(names), number):
                progress(f"round {number + 1} of {settings.rounds}: {names[index]}")
                rounds[index].append(_run_round(settings, settings.networks[index], frames))
                conditions.append(read_condition())
    return _report(settings, digests, rounds, conditions)


def bench_on(remote: RemoteHost, settings: BenchSettings) -> BenchReport:
    """Measure on another machine.

    Args:
        remote: Not yet connected; closed at the end.
        settings: What to compare and how; ``source`` is read there.

    Raises:
        InputError: A network or card cannot be read here.
        RemoteError: Pushing or measuring failed, or the answer is no report.
    """
    with ended_like_interrupted(), remote:
        answer = remote.run(_arguments(remote, settings))
    try:
        report = from_json(answer)
    except ValueError as error:
        raise RemoteError(f"{remote.host}: its answer is {error}; is pi-infer as new there?") from error
    if len(report.models) != len(settings.networks):
        raise RemoteError(f"{remote.host}: it measured {len(report.models)} networks, not those asked for")
    local = zip(report.models, settings.networks, strict=True)
    models = tuple(dataclasses.replace(found, name=path.name, path=str(path)) for found, path in local)
    return dataclasses.replace(report, models=models)


def order(networks: int, number: int) -> Sequence[int]:
    """Which network is measured when in round ``number``: AB, BA, AB, ..."""
    return range(networks) if number % 2 == 0 else range(networks - 1, -1, -1)


def _arguments(remote: RemoteHost, settings: BenchSettings) -> list[str]:
    """Push what is to be measured, and say it in the command line of the other machine."""
    model, *baseline = [_push_network(remote, path) for path in reversed(settings.networks)]
    options = {
        "--baseline": baseline[0] if baseline else None,
        "--source": settings.source,
        "--input": None if settings.card is None else remote.push(settings.card),
        "--seconds": settings.seconds,
        "--rounds": settings.rounds,
        "--threads": settings.threads,
        "--json": "-",
    }
    return ["bench", model, *(f"{name}={value}" for name, value in options.items() if value is not None)]


def _push_network(remote: RemoteHost, path: Path) -> str:
    card = path.with_suffix(".json")
    return remote.push(path, *([card] if card.is_file() else []))


def _decode_frames(settings: BenchSettings, folder: Path, progress: Progress) -> Path | None:
    if settings.source is None:
        return None
    progress(f"decoding frames of {settings.source}")
    target = folder / "frames.npz"
    job = FramesJob(
        source=settings.source, model=str(settings.networks[0]), card=_text(settings.card), target=str(target)
    )
    for line in _child("edge_runtime.bench.frames", job, settings.source).said:
        progress(line)
    return target


def _run_round(settings: BenchSettings, model: Path, frames: Path | None) -> Round:
    job = Job(
        model=str(model),
        card=_text(settings.card),
        frames=_text(frames),
        threads=settings.threads,
        seconds=settings.seconds,
    )
    fields = _child("edge_runtime.bench.worker", job, str(model)).fields
    return Round(**{**fields, "latency_ms": tuple(fields["latency_ms"])})


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _child(module: str, job: Job | FramesJob, subject: str) -> Answer:
    """Run one of our modules in a process of its own and return its answer, or raise its error.

    The job goes through standard input: should we be interrupted before it is sent, the child ends by itself.
    """
    package_root = str(Path(__file__).parents[1])
    search = os.pathsep.join([package_root, *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": search},
    )
    try:
        output, complaints = process.communicate(json.dumps(dataclasses.asdict(job)))
    except BaseException:
        process.kill()
        process.wait()
        raise
    said = tuple(complaints.strip().splitlines())
    try:
        fields = json.loads(output)
    except ValueError:
        raise PiInferError(f"{subject}: {_end(process.returncode, said)}") from None
    if "error" in fields:
        kinds = {kind.exit_code: kind for kind in (InputError, ModelRefusedError, CameraError)}
        raise kinds.get(process.returncode, PiInferError)(fields["error"])
    return Answer(fields, said)


def _end(code: int, said: Sequence[str]) -> str:
    """How a process that gave no answer ended."""
    if code < 0:
        hint = " (is there enough memory?)" if -code == signal.SIGKILL else ""
        return f"its process was killed by {signal.Signals(-code).name}{hint}"
    return f"its process failed: {said[-1] if said else f'code {code}'}"


def _report(
    settings: BenchSettings,
    digests: Sequence[str],
    rounds: Sequence[Sequence[Round]],
    conditions: Sequence[Condition],
) -> BenchReport:
    networks = zip(settings.networks, digests, rounds, strict=True)
    names = display_names([str(path) for path in settings.networks])
    comparison = compare(rounds[1], rounds[0]) if len(rounds) == 2 else None
    reasons = [reason for name, own in zip(names, rounds, strict=True) for reason in disturbances(name, own)]
    reasons += heat_and_power(conditions)
    return BenchReport(
        models=tuple(summarise(path, digest, own) for path, digest, own in networks),
        speedup=comparison.speedup if comparison else None,
        speedup_min=comparison.speedup_min if comparison else None,
        speedup_max=comparison.speedup_max if comparison else None,
        rss_ratio=comparison.rss_ratio if comparison else None,
        valid=not reasons,
        reasons=tuple(reasons),
        timed=BARE_RUN if settings.source is None else FRAME_PATH,
        source=settings.source,
        seconds=settings.seconds,
        rounds=settings.rounds,
        machine=_machine(rounds[0][0], conditions),
        version=__version__,
    )


def _machine(sample: Round, conditions: Sequence[Condition]) -> Machine:
    board, before, after = read_board(), conditions[0], conditions[-1]
    shared = dataclasses.asdict(board)
    shared.pop("cgroup_controllers")
    return Machine(
        **shared,
        versions=sample.versions,
        threads=sample.threads,
        governor=after.governor,
        temperature_before_c=before.temperature_c,
        temperature_after_c=after.temperature_c,
        throttled_before=_words(before),
        throttled_after=_words(after),
    )


def _words(condition: Condition) -> tuple[str, ...] | None:
    return None if condition.throttled_bits is None else throttling(condition.throttled_bits)
