"""Times convolutions by themselves: a fresh process that makes a network of each, and answers with medians.

Run as ``python -m edge_runtime.bench.trials`` with a ``TrialsJob`` as JSON on standard input.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_runtime.bench.messages import TrialsJob, reply
from edge_runtime.machine.board import largest_cache_bytes
from edge_runtime.model.engines.select import trial_network
from edge_runtime.model.trial import Trial

WARM_UP_RUNS = 2
FEWEST_RUNS = 3


def measure(job: TrialsJob) -> dict[str, Any]:
    """Time every convolution of a job, in rounds, so that a busy moment spoils no one of them.

    Returns:
        ``ms``: for each convolution the median of each round, in milliseconds.

    Raises:
        InputError: The engine is not there.
        ModelRefusedError: It refuses a convolution.
    """
    trials = trials_of(job)
    evictor = np.zeros(min(job.footprint, largest_cache_bytes()) // 4 + 1, np.float32)
    rounds = [[_median_ms(trial, job, evictor) for trial in trials] for _ in range(job.rounds)]
    return {"ms": [list(each) for each in zip(*rounds, strict=True)]}


def trials_of(job: TrialsJob) -> list[Trial]:
    """The convolutions of a job. Raises ``TypeError`` where they are none."""
    return [_trial(fields) for fields in job.trials]


def _trial(fields: Sequence[Any]) -> Trial:
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in fields]
    return Trial(*values)


def _median_ms(trial: Trial, job: TrialsJob, evictor: NDArray[np.float32]) -> float:
    """How long a convolution takes as one layer among others: with its weights out of the caches.

    Between two runs of a layer a network reads all the others' weights, so as many bytes are read here. Run
    again and again by themselves, the layers of a reduced vgg19 took a third less time than within it.
    """
    network = trial_network(trial, job.threads, job.engine)
    tensor = np.full([int(length or 1) for length in trial.input.shape], 0.5, np.float32)
    for _ in range(WARM_UP_RUNS):
        network.run(tensor)
    times: list[float] = []
    deadline = time.perf_counter() + job.seconds
    while len(times) < FEWEST_RUNS or time.perf_counter() < deadline:
        evictor += 1
        begun = time.perf_counter()
        network.run(tensor)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(reply(lambda: measure(TrialsJob.from_json(sys.stdin.read()))))
