"""What a benchmark shall compare and how; light, so that ``pi-infer --help`` can show the defaults."""

from dataclasses import dataclass
from pathlib import Path

from edge_runtime.base.errors import InputError


@dataclass(frozen=True)
class BenchSettings:
    """What to compare and how.

    Attributes:
        model: The network.
        baseline: What to compare it with; None to time the network alone.
        source: Frames to run through the whole frame path, as ``--source`` takes them; None times
            ``session.run`` on one fixed frame.
        card: A model card to use instead of the networks' own.
        seconds: Measured for each network in each round, after the warm-up.
        rounds: Processes started for each network.
        threads: Threads within one inference; None for all processors.
        engines: What runs them: each network is measured under each of these.

    Raises:
        InputError: There would be nothing to measure.
    """

    model: Path
    baseline: Path | None = None
    source: str | None = None
    card: Path | None = None
    seconds: float = 2.0
    # An odd number: the median over the rounds is then one that was measured.
    rounds: int = 5
    threads: int | None = None
    engines: tuple[str, ...] = ("onnxruntime",)

    def __post_init__(self) -> None:
        if self.rounds < 1 or not self.seconds > 0:
            raise InputError(
                f"{self.rounds} rounds of {self.seconds:g} s measure nothing: give 1 round or more, "
                "and a time above 0"
            )

    @property
    def contestants(self) -> tuple[tuple[Path, str], ...]:
        """Each network with each engine, in the order of the report."""
        return tuple((path, engine) for path in self.networks for engine in self.engines)

    @property
    def networks(self) -> tuple[Path, ...]:
        """The baseline, if there is one, and the network."""
        return (self.model,) if self.baseline is None else (self.baseline, self.model)
