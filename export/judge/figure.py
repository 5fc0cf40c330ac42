"""A figure of agreement, and how sure the number of images lets one be of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NORMAL_95 = 1.959964  # of a normal distribution, 95 % lie within so many standard deviations
ENOUGH_CASES = 10  # decisions of the rarer kinds, for the same decisions to say something


@dataclass(frozen=True)
class Figure:
    """How far one output, or what is read from all of them, agrees.

    Attributes:
        output: Name of the output; empty where the figure is of all outputs together.
        measure: What is compared: ``same class``, ``variance kept``, ...
        percent: The agreement.
        low_percent: Lower end of its 95 % confidence interval.
        high_percent: Upper end of it.
        cases: How many images, or detections, it rests on.
        basis: The same in words.
    """

    output: str
    measure: str
    percent: float
    low_percent: float
    high_percent: float
    cases: float
    basis: str

    def enough_for(self, drop_percent: float) -> bool:
        """Whether so many cases could show, with 95 % confidence, that no more than a drop was lost."""
        return self.cases >= cases_needed(drop_percent) > 0

    def words(self) -> str:
        """What was compared on what, such as ``same class in 123 of 125 images``."""
        return f"{self.measure} {self.basis}" + (f", output {self.output!r}" if self.output else "")

    def to_document(self) -> dict[str, Any]:
        """The figure as plain data; keys may be added in later releases, but none changes."""
        return {
            "output": self.output or None,
            "measure": self.measure,
            "percent": self.percent,
            "low_percent": self.low_percent,
            "high_percent": self.high_percent,
            "cases": self.cases,
            "basis": self.basis,
        }


def counted(output: str, measure: str, successes: float, trials: float, basis: str) -> Figure:
    """A figure that is a share of cases, with Wilson's interval.

    Args:
        output: See ``Figure``.
        measure: See ``Figure``.
        successes: Cases that agree.
        trials: All cases, at least 1.
        basis: See ``Figure``.
    """
    low, high = wilson_percent(successes, trials)
    return Figure(output, measure, 100.0 * successes / trials, low, high, trials, basis)


def wilson_percent(successes: float, trials: float) -> tuple[float, float]:
    """Wilson's 95 % confidence interval of a share, in percent.

    Unlike the normal one it says something where all cases agree: of 125, at least 97 %.
    """
    share = successes / trials
    pull = NORMAL_95**2 / trials
    middle = (share + pull / 2) / (1 + pull)
    reach = NORMAL_95 / (1 + pull) * math.sqrt(share * (1 - share) / trials + pull / (4 * trials))
    return max(0.0, 100.0 * (middle - reach)), min(100.0, 100.0 * (middle + reach))


def cases_needed(drop_percent: float) -> int:
    """Of how many cases all must agree, for Wilson's lower end to lie no more than a drop below 100 %."""
    return math.ceil(NORMAL_95**2 * (100.0 - drop_percent) / drop_percent) if drop_percent > 0 else 0


def mean_reach(values: Sequence[float]) -> float:
    """How far the mean of a population may lie from that of a sample, with 95 % confidence."""
    if len(values) < 2:
        return math.inf
    return NORMAL_95 * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def too_few_of_the_rarer(rarer: int, images: int) -> bool:
    """Whether a network decides otherwise than most often in too few images to be judged by its decisions.

    Args:
        rarer: In how many it decides so.
        images: How many there are.
    """
    return rarer < min(ENOUGH_CASES, max(1, images // 4))
