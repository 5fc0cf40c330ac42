"""From the samples of each round to the figures of a report, and whether they can be trusted.

Pure functions. Two networks are compared by the ratio of their medians, because a median ignores the few
frames that another program interrupted; the spread of that ratio over the rounds says how far to trust it.
"""

import functools
import operator
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_runtime.base.names import readable
from edge_runtime.bench.messages import Round
from edge_runtime.bench.report import Comparison, Latency, ModelResult
from edge_runtime.machine.board import Condition, throttling

# Beyond these, a figure says more about the machine's day than about the network. Rounds that differ by more
# than a tenth hide every gain of a tenth; a tenth of a processor is more than an idle system's own programs
# take; and whoever loses the processor once in 10 ms loses it in almost every frame.
SPREAD_LIMIT = 0.10
OTHERS_LIMIT = 0.10
STEAL_LIMIT = 0.02
SWITCHES_PER_SECOND_LIMIT = 100.0
TEMPERATURE_LIMIT_C = 80.0  # where the firmware of a Raspberry Pi begins to slow the processor
FEWEST_FRAMES = 20  # two of them lie above the p90; of fewer it is an accident
SHORTEST_SECONDS = 0.1  # a rate over less time is one interruption more or less
NOW_MASK = 0xFFFF  # the bits of vcgencmd for what holds now; those above are for "since boot"


def latency(samples_ms: Sequence[float]) -> Latency:
    """Summarise latencies.

    Args:
        samples_ms: In milliseconds; at least one. Their standard deviation is that of a sample (N - 1), and 0
            for a single one.
    """
    values = np.asarray(samples_ms, dtype=np.float64)
    p50, p90, p99 = (float(value) for value in np.percentile(values, [50, 90, 99]))
    return Latency(
        p50=p50,
        p90=p90,
        p99=p99,
        mean=float(values.mean()),
        stdev=float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        min=float(values.min()),
        max=float(values.max()),
    )


def frames_per_second(rounds: Sequence[Round]) -> float:
    """Frames per second over the N - 1 intervals of each round; 0 where no round has two frames."""
    intervals = sum(len(one.latency_ms) - 1 for one in rounds)
    seconds = sum(one.seconds for one in rounds)
    return intervals / seconds if seconds > 0 else 0.0


def summarise(
    path: Path, engine: str, sha256: str, rounds: Sequence[Round], first: Sequence[Round] | None = None
) -> ModelResult:
    """Put together what was measured on one network.

    Args:
        path: Its file.
        engine: What ran it.
        sha256: SHA-256 of the file, in hexadecimal.
        rounds: What each process measured; at least one.
        first: As many rounds of the network to compare it with; None where it is itself the first.
    """
    samples = _samples_ms(rounds)
    return ModelResult(
        name=readable(path.name),
        path=readable(path),
        sha256=sha256,
        fps=frames_per_second(rounds),
        latency_ms=latency(samples),
        load_ms=_median([one.load_ms for one in rounds]),
        peak_rss_mib=_median([one.peak_rss_mib for one in rounds]),
        model_rss_mib=_median([one.peak_rss_mib - one.runtime_rss_mib for one in rounds]),
        frames=len(samples),
        round_p50_ms=tuple(_p50s_ms(rounds)),
        engine=engine,
        against_first=None if first is None else compare(rounds, first),
    )


def compare(model: Sequence[Round], baseline: Sequence[Round]) -> Comparison:
    """Compare two networks measured in the same number of rounds.

    The speed-up is that of all rounds together; its range is that of the rounds, each of which saw both
    networks shortly after one another, so that a machine that slows down for minutes hardly moves it.
    """
    ratios = [base / own for own, base in zip(_p50s_ms(model), _p50s_ms(baseline), strict=True)]
    return Comparison(
        speedup=_median(_samples_ms(baseline)) / _median(_samples_ms(model)),
        speedup_min=min(ratios),
        speedup_max=max(ratios),
        rss_ratio=_median([one.peak_rss_mib for one in model])
        / _median([one.peak_rss_mib for one in baseline]),
    )


def spread(rounds: Sequence[Round]) -> float:
    """How far apart the medians of the rounds lie: the greatest less the least, over the middle one."""
    medians = _p50s_ms(rounds)
    return (max(medians) - min(medians)) / _median(medians)


def disturbances(name: str, rounds: Sequence[Round]) -> list[str]:
    """Why the rounds of one network cannot be trusted, one reason a line; empty if they can."""
    seconds = sum(one.seconds for one in rounds)
    others = _mean_known([one.others_processors for one in rounds])
    steal = _mean_known([one.steal_processors for one in rounds])
    frames = sum(len(one.latency_ms) for one in rounds)
    switches = sum(one.involuntary_switches for one in rounds) / max(seconds, 1e-9)
    suspicions = {
        f"only {frames} frames, fewer than {FEWEST_FRAMES}: raise --seconds": frames < FEWEST_FRAMES,
        f"medians of the rounds differ by {spread(rounds):.0%}, more than {SPREAD_LIMIT:.0%}": (
            spread(rounds) > SPREAD_LIMIT
        ),
        f"other programs kept {others:.2f} processors busy, more than {OTHERS_LIMIT}": others > OTHERS_LIMIT,
        f"the hypervisor took {steal:.3f} processors, more than {STEAL_LIMIT}": steal > STEAL_LIMIT,
        f"interrupted {switches:.0f} times a second, more than {SWITCHES_PER_SECOND_LIMIT:.0f}": (
            seconds >= SHORTEST_SECONDS and switches > SWITCHES_PER_SECOND_LIMIT
        ),
    }
    return [f"{name}: {reason}" for reason, holds in suspicions.items() if holds]


def heat_and_power(conditions: Sequence[Condition]) -> list[str]:
    """Why heat or a weak supply spoiled the run: readings from before the first round to after the last."""
    hottest = max((one.temperature_c for one in conditions if one.temperature_c is not None), default=0.0)
    reasons = []
    if hottest >= TEMPERATURE_LIMIT_C:
        reasons.append(f"the processor reached {hottest:.0f} °C, {TEMPERATURE_LIMIT_C:.0f} or more: cool it")
    readings = [one.throttled_bits for one in conditions if one.throttled_bits is not None]
    if not readings:
        return reasons
    # What holds now may begin and end between two readings, so that each counts.
    at_any_time = functools.reduce(operator.or_, (bits & NOW_MASK for bits in readings))
    # What is set "since boot" counts only if it was not set when we began.
    appeared = (readings[-1] & ~readings[0]) >> 16
    return reasons + [f"the board reports: {words}" for words in throttling(at_any_time | appeared)]


def _samples_ms(rounds: Sequence[Round]) -> list[float]:
    return [sample for one in rounds for sample in one.latency_ms]


def _p50s_ms(rounds: Sequence[Round]) -> list[float]:
    return [_median(one.latency_ms) for one in rounds]


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def _mean_known(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
