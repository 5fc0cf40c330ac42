"""Timing many convolutions by themselves, a few of them in a process of its own at a time."""

import dataclasses
from collections.abc import Callable, Sequence

from edge_runtime.bench.children import ask
from edge_runtime.bench.messages import TrialsJob
from edge_runtime.model.trial import Trial

BATCH = 24  # in one process, in which each comes up again in every round

Progress = Callable[[int, int], None]


def time_convolutions(
    trials: Sequence[Trial],
    engine: str,
    threads: int,
    footprint: int,
    progress: Progress = lambda _done, _total: None,
) -> list[list[float]]:
    """Time convolutions on this machine.

    Args:
        trials: The convolutions.
        engine: What runs them.
        threads: Threads within one inference.
        footprint: Bytes that the rest of their network reads between two runs of a layer.
        progress: Told how many are done, and how many there are.

    Returns:
        For each the median of each round, in milliseconds.

    Raises:
        InputError: The engine is not there.
        ModelRefusedError: It refuses a convolution.
    """
    rounds: list[list[float]] = []
    for first in range(0, len(trials), BATCH):
        progress(first, len(trials))
        batch = [list(dataclasses.astuple(trial)) for trial in trials[first : first + BATCH]]
        job = TrialsJob(batch, engine, threads, footprint)
        rounds += ask("edge_runtime.bench.trials", job, "timing convolutions").fields["ms"]
    progress(len(trials), len(trials))
    return rounds
