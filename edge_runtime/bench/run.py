"""Baseline against reduced: a fresh process per network and round, the order alternated, statistics.

Two networks are never timed in one process, where the second would find the first one's memory and warm
caches, and never in one block each, where a machine that gets hot or busy would favour one of them.
"""

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edge_runtime import __version__
from edge_runtime.base.errors import RemoteError
from edge_runtime.base.names import readable
from edge_runtime.base.termination import ended_like_interrupted
from edge_runtime.bench.children import ask
from edge_runtime.bench.messages import FramesJob, Job, Round
from edge_runtime.bench.report import BenchReport, Machine, display_names, from_json
from edge_runtime.bench.settings import BenchSettings
from edge_runtime.bench.statistics import disturbances, heat_and_power, summarise
from edge_runtime.machine.board import Condition, read_board, read_condition, throttling
from edge_runtime.remote.host import RemoteHost, file_sha256

__all__ = ["BenchSettings", "bench", "bench_on"]

BARE_RUN = "session.run alone"
FRAME_PATH = "preprocess, session.run and postprocess"

Progress = Callable[[str], None]


def bench(settings: BenchSettings, progress: Progress = lambda _line: None) -> BenchReport:
    """Time a network, or compare it with its baseline, on this machine.

    ::

        report = bench(BenchSettings(Path("reduced.onnx"), baseline=Path("base.onnx")))
        print(report.speedup, report.valid, report.reasons)

    Takes as long as the settings say: each network is measured ``seconds`` in each of ``rounds`` processes,
    preceded by a warm-up of a quarter of that. The processes end with this one; while it waits in the main
    thread, SIGTERM and SIGHUP interrupt it as Ctrl-C does.

    Args:
        settings: What to compare and how.
        progress: Told what is being done, one line at a time.

    Returns:
        The figures, and whether something disturbed them; ``report.table`` and ``report.to_json`` write it.

    Raises:
        InputError: A network, card or source cannot be read.
        ModelRefusedError: A network cannot run.
        CameraError: The source is a camera or a stream that does not deliver.
        PiInferError: A process died, as for want of memory.
    """
    # First of all: a file that is missing is told at once, not after the rounds of the other one.
    digests = {path: file_sha256(path) for path in settings.networks}
    with ended_like_interrupted(), tempfile.TemporaryDirectory(prefix="pi-infer-bench-") as folder:
        frames = _decode_frames(settings, Path(folder), progress)
        conditions = [read_condition()]
        names = _names(settings)
        rounds: list[list[Round]] = [[] for _ in names]
        for number in range(settings.rounds):
            for index in order(len(names), number):
                progress(f"round {number + 1} of {settings.rounds}: {names[index]}")
                rounds[index].append(_run_round(settings, settings.contestants[index], frames))
                conditions.append(read_condition())
    return _report(settings, digests, rounds, conditions)


def bench_on(remote: RemoteHost, settings: BenchSettings) -> BenchReport:
    """Time a network, or compare it with its baseline, on another machine.

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
    if len(report.models) != len(settings.contestants):
        raise RemoteError(f"{remote.host}: it measured {len(report.models)} networks, not those asked for")
    # There they bear the names under which they were pushed.
    local = zip(report.models, settings.contestants, strict=True)
    models = tuple(
        dataclasses.replace(model, name=readable(path.name), path=readable(path))
        for model, (path, _) in local
    )
    return dataclasses.replace(report, models=models)


def order(networks: int, number: int) -> Sequence[int]:
    """In which order so many networks are measured in round ``number``, from 0: AB, BA, AB, ..."""
    return range(networks) if number % 2 == 0 else range(networks - 1, -1, -1)


def _arguments(remote: RemoteHost, settings: BenchSettings) -> list[str]:
    """Push what is to be measured, and say it in the command line of the other machine."""
    # The network first, though it is measured second: it is the argument there, and the baseline an option.
    model, *baseline = [_push_network(remote, path) for path in reversed(settings.networks)]
    options = {
        "--baseline": baseline[0] if baseline else None,
        "--source": settings.source,
        "--input": None if settings.card is None else remote.push(settings.card),
        "--seconds": settings.seconds,
        "--rounds": settings.rounds,
        "--threads": settings.threads,
        # A release there that knows of no engines can still do without.
        "--engine": None if settings.engines == BenchSettings.engines else ",".join(settings.engines),
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
    for line in ask("edge_runtime.bench.frames", job, settings.source).said:
        progress(line)
    return target


def _names(settings: BenchSettings) -> list[str]:
    return display_names([(str(path), engine) for path, engine in settings.contestants])


def _run_round(settings: BenchSettings, contestant: tuple[Path, str], frames: Path | None) -> Round:
    model, engine = contestant
    job = Job(
        model=str(model),
        card=_text(settings.card),
        frames=_text(frames),
        threads=settings.threads,
        seconds=settings.seconds,
        engine=engine,
    )
    return Round.from_fields(ask("edge_runtime.bench.worker", job, str(model)).fields)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _report(
    settings: BenchSettings,
    digests: Mapping[Path, str],
    rounds: Sequence[Sequence[Round]],
    conditions: Sequence[Condition],
) -> BenchReport:
    models = tuple(
        summarise(path, engine, digests[path], own, None if own is rounds[0] else rounds[0])
        for (path, engine), own in zip(settings.contestants, rounds, strict=True)
    )
    last = models[-1].against_first
    named = zip(_names(settings), rounds, strict=True)
    reasons = [reason for name, own in named for reason in disturbances(name, own)]
    reasons += heat_and_power(conditions)
    return BenchReport(
        models=models,
        speedup=last.speedup if last else None,
        speedup_min=last.speedup_min if last else None,
        speedup_max=last.speedup_max if last else None,
        rss_ratio=last.rss_ratio if last else None,
        valid=not reasons,
        reasons=tuple(reasons),
        timed=BARE_RUN if settings.source is None else FRAME_PATH,
        source=settings.source,
        seconds=settings.seconds,
        rounds=settings.rounds,
        machine=_machine([own[0] for own in rounds], conditions),
        version=__version__,
    )


def _machine(samples: Sequence[Round], conditions: Sequence[Condition]) -> Machine:
    board, before, after = read_board(), conditions[0], conditions[-1]
    shared = dataclasses.asdict(board)
    shared.pop("cgroup_controllers")  # of no influence on a measurement
    return Machine(
        **shared,
        versions={name: version for sample in samples for name, version in sample.versions.items()},
        threads=samples[0].threads,
        governor=after.governor,
        temperature_before_c=before.temperature_c,
        temperature_after_c=after.temperature_c,
        throttled_before=_words(before),
        throttled_after=_words(after),
    )


def _words(condition: Condition) -> tuple[str, ...] | None:
    return None if condition.throttled_bits is None else throttling(condition.throttled_bits)
