"""Where a cost table is measured: on this machine, or on another over SSH."""

import json
import platform
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from edge_runtime import __version__
from edge_runtime.base.errors import RemoteError
from edge_runtime.bench.children import ask
from edge_runtime.bench.convolutions import time_convolutions
from edge_runtime.bench.messages import Job, Round, TrialsJob
from edge_runtime.bench.report import BenchReport, from_json
from edge_runtime.machine.board import read_board, read_condition
from edge_runtime.model.trial import Trial
from edge_runtime.remote.host import RemoteHost

ROUNDS, SECONDS = 3, 0.5  # for whole networks

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Run:
    """How convolutions are run.

    Attributes:
        engine: What runs them.
        threads: Threads within one inference.
        footprint: Bytes that the rest of their network reads between two runs of a layer.
    """

    engine: str
    threads: int
    footprint: int


class Place(Protocol):
    """A machine on which networks and convolutions are timed."""

    def convolutions(self, trials: Sequence[Trial], run: "Run", progress: Progress) -> list[list[float]]:
        """For each convolution the median of each round, in milliseconds."""

    def networks(self, paths: Sequence[Path], engine: str, threads: int) -> list[float]:
        """Median milliseconds of one network or two, timed in turn, each in a process of its own."""

    def machine(self) -> dict[str, Any]:
        """What the place is, with the versions of what ran there; known once networks were timed."""


class ThisMachine:
    """The machine that this program runs on."""

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}

    def convolutions(self, trials: Sequence[Trial], run: "Run", progress: Progress) -> list[list[float]]:
        """Time convolutions here: see ``Place``."""
        return time_convolutions(trials, run.engine, run.threads, run.footprint, progress)

    def networks(self, paths: Sequence[Path], engine: str, threads: int) -> list[float]:
        """Time networks here: see ``Place``."""
        found: list[list[float]] = [[] for _ in paths]
        for number in range(ROUNDS):
            turns = list(zip(paths, found, strict=True))
            for path, latencies in turns if number % 2 == 0 else reversed(turns):
                job = Job(str(path), None, None, threads, SECONDS, engine)
                done = Round.from_fields(ask("edge_runtime.bench.worker", job, str(path)).fields)
                latencies.append(statistics.median(done.latency_ms))
                self._versions = done.versions
        return [statistics.median(latencies) for latencies in found]

    def machine(self) -> dict[str, Any]:
        """This machine: see ``Place``."""
        return {
            **_facts(asdict(read_board())),
            "kernel": platform.release(),
            **_facts(asdict(read_condition())),
            "versions": {"pi-infer": __version__, **self._versions},
        }


@dataclass
class OtherMachine:
    """A machine over SSH, on which pi-infer is installed; the connection is open meanwhile.

    Attributes:
        remote: The connection.
    """

    remote: RemoteHost
    _report: BenchReport | None = None

    def convolutions(self, trials: Sequence[Trial], run: "Run", progress: Progress) -> list[list[float]]:
        """Time convolutions there: see ``Place``.

        Raises:
            RemoteError: Pushing or timing failed, or the answer is none.
        """
        progress(0, len(trials))
        with tempfile.TemporaryDirectory(prefix="pi-export-") as name:
            job = Path(name) / "job.json"
            values = [list(asdict(trial).values()) for trial in trials]
            job.write_text(TrialsJob(values, run.engine, run.threads, run.footprint).to_json())
            answer = self.remote.run(["trials", self.remote.push(job)])
        progress(len(trials), len(trials))
        try:
            times = [[float(time) for time in each] for each in json.loads(answer)["ms"]]
        except (ValueError, TypeError, LookupError) as error:
            raise self._no_answer() from error
        if len(times) != len(trials) or not all(times):
            raise self._no_answer()
        return times

    def networks(self, paths: Sequence[Path], engine: str, threads: int) -> list[float]:
        """Time networks there: see ``Place``.

        Raises:
            RemoteError: Pushing or timing failed, or the answer is no report.
        """
        last, *first = [self.remote.push(path) for path in reversed(paths)]
        options = {
            "--engine": engine,
            "--threads": threads,
            "--seconds": SECONDS,
            "--rounds": ROUNDS,
            "--json": "-",
            **({"--baseline": first[0]} if first else {}),
        }
        answer = self.remote.run(["bench", last, *(f"{name}={value}" for name, value in options.items())])
        try:
            self._report = from_json(answer)
        except ValueError as error:
            raise self._no_answer() from error
        return [model.latency_ms.p50 for model in self._report.models]

    def machine(self) -> dict[str, Any]:
        """The other machine: see ``Place``."""
        if self._report is None:
            return {"host": self.remote.host}
        facts = asdict(self._report.machine)
        versions = {"pi-infer": self._report.version, **facts["versions"]}
        return {"host": self.remote.host, **_facts(facts), "versions": versions}

    def _no_answer(self) -> RemoteError:
        return RemoteError(f"{self.remote.host}: its answer is no times; is pi-infer as new there?")


def _facts(fields: dict[str, Any]) -> dict[str, Any]:
    wanted = ("model", "cpu", "arch", "cores", "kernel", "governor", "temperature_c", "throttled_after")
    return {name: fields[name] for name in wanted if name in fields}
