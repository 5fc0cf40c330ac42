"""Time as what a reduction is to save: the table it chooses by, and whether the result keeps the promise."""

import importlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from edge_runtime.base.errors import InputError
from edge_runtime.machine.board import read_board
from edge_runtime.model.card import ModelCard
from edge_runtime.model.engines.select import load_engine
from edge_runtime.remote.host import RemoteHost
from export.choose.latency import LatencyTable
from export.choose.places import OtherMachine, Place, ThisMachine
from export.choose.profile import profile, write_for
from export.methods.base import Method
from export.network.layers import ReducibleNetwork
from export.network.source import SourceModel
from export.paths import AnyPath
from export.progress import Progress
from export.reduction.defaults import ENGINE_FOR, FASTEST, PRECISIONS

MULTIPLY_ADDS, LOCAL, REMOTE = "macs", "local", "ssh:"
InPrecision = tuple[onnx.ModelProto, str]  # a network and its precision
GoThere = Callable[[], AbstractContextManager[Place]]

LEAST_GAIN = 1.05
KEPT = 0.9  # of a speed-up that was asked for: a promise of time holds within a tenth


@dataclass(frozen=True)
class Timed:
    """The original and the reduced network, timed in turn on one machine.

    Attributes:
        original_ns: What the original takes, in nanoseconds.
        reduced_ns: What the reduced network takes.
        engine: What ran them.
        threads: Threads within one inference.
        where: The machine, for people.
        predicted: The speed-up that the cost table promised.
        target: The speed-up that was asked for; None where none was.
        budget_ns: The time that was asked for; None where none was.
    """

    original_ns: float
    reduced_ns: float
    engine: str
    threads: int
    where: str
    predicted: float
    target: float | None
    budget_ns: float | None = None

    @property
    def speedup(self) -> float:
        """How many times faster the reduced network is."""
        return self.original_ns / self.reduced_ns

    @property
    def holds(self) -> bool:
        """Whether what was asked for was reached, within a tenth."""
        if self.budget_ns is not None:
            return self.reduced_ns <= self.budget_ns / KEPT
        return self.target is None or self.speedup >= KEPT * self.target

    def words(self) -> str:
        """The figures in a sentence."""
        return (
            f"{self.original_ns / 1e6:.3g} ms before, {self.reduced_ns / 1e6:.3g} ms after under "
            f"{self.engine} on {self.where}, {self.threads} threads: {self.speedup:.2f}x faster (predicted "
            f"{self.predicted:.2f}x)"
        )


@dataclass(frozen=True)
class Timing:
    """By what cost a reduction chooses, and what is to run its result.

    Attributes:
        engine: What is to run the network.
        precision: What it is to compute in.
        given: A table that was measured before; None where there is none.
        place: Goes to where one is to be measured; None where that is not wanted.
    """

    engine: str
    precision: str = "float32"
    given: LatencyTable | None = None
    place: GoThere | None = None

    @classmethod
    def of(cls, cost: AnyPath, engine: str | None, precision: str = "float32") -> "Timing":
        """Read what was asked for, before any work.

        Args:
            cost: ``macs``, ``local``, ``ssh:HOST``, or the file of a cost table.
            engine: What is to run the network; the table's if None, onnxruntime where there is none.
            precision: What it is to compute in.

        Raises:
            InputError: The table cannot be read, is of another engine or precision, or was measured here with
                another version of the engine; or the engine is not installed.
        """
        given = None if cost == MULTIPLY_ADDS or _place(str(cost)) else _read(Path(cost))
        if given is not None and engine not in (None, given.engine):
            raise InputError(f"{cost} is of {given.engine}, not of {engine}: profile the network under that")
        if precision == FASTEST and _place(str(cost)) is None:
            raise InputError("precision auto takes what is faster: give --cost local or ssh:HOST, to see it")
        if given is not None and precision != given.precision:
            raise InputError(
                f"{cost} is of {given.precision}: give --precision {given.precision}, or profile the network "
                f"in {precision}"
            )
        engine = engine or (given.engine if given else "onnxruntime")
        load_engine(engine)
        if given is not None:
            _require_version(given, str(cost))
        return cls(engine, precision, given, _place(str(cost)))

    def tables(
        self, task: "TimingTask", methods: tuple[Method, ...], progress: Progress
    ) -> list[LatencyTable]:
        """The cost tables of a network, the most promising first; none where multiply-adds or bytes count.

        They are several only where the fastest precision is asked for: the first is of that in which the
        whole network is faster.

        Args:
            task: The network.
            methods: The ways a layer may be replaced.
            progress: Told how many convolutions are timed.

        Raises:
            InputError: The table is of another network.
        """
        if self.given is not None and self.given.source_sha256 != task.source.sha256:
            raise InputError("the cost table is of another network: profile this one")
        if self.place is None:
            return [] if self.given is None else [self.given]
        with self.place() as place:
            found = [
                profile(
                    task.source,
                    task.network,
                    task.card,
                    methods,
                    engine=self.engine,
                    precision=precision,
                    threads=task.threads,
                    place=place,
                    progress=progress,
                )
                for precision in self._precisions
            ]
        if self.precision == FASTEST:  # what is hardly faster is not worth its rounding
            found = [table for table in found if table.precision == PRECISIONS[0] or table.gain >= LEAST_GAIN]
        return sorted(found, key=lambda table: -table.gain)

    @property
    def _precisions(self) -> tuple[str, ...]:
        if self.precision != FASTEST:
            return (self.precision,)
        return tuple(each for each in PRECISIONS if ENGINE_FOR.get(each, self.engine) == self.engine)

    def check(
        self, task: "TimingTask", reduced: InPrecision, table: LatencyTable, promise: "Promise"
    ) -> Timed | None:
        """Time the result against the original; None where the table is of another machine than this.

        Args:
            task: The original network.
            reduced: What became of it, and its precision.
            table: By which it was chosen.
            promise: What was predicted and asked for.

        Raises:
            ModelRefusedError: The engine refuses the reduced network.
        """
        place = self.place or (_here if _is_of_this_machine(table) else None)
        if place is None:
            return None
        pair = ((task.source.proto, PRECISIONS[0]), reduced)
        # The promise is of the table's threads, however many the reduction itself may use.
        before, after, where = self._timed_in_turn(place, replace(task, threads=table.threads), pair)
        return Timed(
            before * 1e6,
            after * 1e6,
            self.engine,
            table.threads,
            where,
            promise.predicted,
            promise.target,
            promise.budget_ns,
        )

    def rounding_pays(self, task: "TimingTask", rounded: InPrecision, exact: onnx.ModelProto) -> bool:
        """Whether a network is faster in a precision than in float32, where the tables are measured."""
        own, other, _ = self._timed_in_turn(self.place or _here, task, (rounded, (exact, PRECISIONS[0])))
        return own < other

    def _timed_in_turn(
        self, place: GoThere, task: "TimingTask", networks: Sequence[InPrecision]
    ) -> tuple[float, float, str]:
        """Milliseconds of two networks, each in its precision, and where that was."""
        with tempfile.TemporaryDirectory(prefix="pi-export-") as name, place() as there:
            paths = [Path(name) / "first.onnx", Path(name) / "second.onnx"]
            for (proto, precision), path in zip(networks, paths, strict=True):
                write_for(self.engine, proto, task.card, path, precision)
            first, second = there.networks(paths, self.engine, task.threads)
            return first, second, str(there.machine().get("host", "this machine"))


@dataclass(frozen=True)
class TimingTask:
    """A network that is to be timed.

    Attributes:
        source: The network.
        network: The same, as read.
        card: Its card.
        threads: Threads within one inference.
    """

    source: SourceModel
    network: ReducibleNetwork
    card: ModelCard
    threads: int


@dataclass(frozen=True)
class Promise:
    """How many times faster a network is to be, or how fast.

    Attributes:
        predicted: How many times faster it is, as the cost table says.
        target: How many times faster was asked for; None where nothing was.
        budget_ns: The time that was asked for, in nanoseconds; None where none was.
    """

    predicted: float
    target: float | None
    budget_ns: float | None = None


def _here() -> AbstractContextManager[Place]:
    return nullcontext(ThisMachine())


def _place(cost: str) -> GoThere | None:
    """What goes to the machine that a cost is measured on; None where nothing is to be measured."""
    if cost == LOCAL:
        return _here
    if cost.startswith(REMOTE):
        remote = RemoteHost(cost.removeprefix(REMOTE))
        return lambda: _there(remote)
    return None


@contextmanager
def _there(remote: RemoteHost) -> Iterator[Place]:
    with remote:
        yield OtherMachine(remote)


def _is_of_this_machine(table: LatencyTable) -> bool:
    board = read_board()
    return (table.machine.get("cpu"), table.machine.get("arch")) == (board.cpu, board.arch)


def _require_version(table: LatencyTable, where: str) -> None:
    """Raise ``InputError`` where a table of this machine is of another version of its engine."""
    versions = table.machine.get("versions")
    measured = versions.get(table.engine) if isinstance(versions, dict) else None
    own = str(importlib.import_module(table.engine).__version__)
    if measured not in (None, own) and _is_of_this_machine(table):
        raise InputError(
            f"{where} was measured under {table.engine} {measured}, and {own} is here: profile again"
        )


def _read(path: Path) -> LatencyTable:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read the cost table {path}: give macs, local, ssh:HOST, or a file of 'pi-export profile'"
        ) from error
    return LatencyTable.from_json(text, str(path))
