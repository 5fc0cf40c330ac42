"""What a reduction is asked for: every setting, once."""

from dataclasses import dataclass, field

from export.choose.cost import MULTIPLY_ADDS, Measure
from export.methods import all_methods
from export.methods.base import Method


@dataclass(frozen=True)
class ReduceOptions:
    """What a reduction is asked for.

    Attributes:
        target: The whole network's cost before over after, at least 1; None for the most that
            ``max_drop_percent`` allows.
        cost: What is to become less.
        max_drop_percent: Agreement with the original that may be lost.
        surely: Whether that is judged by the lower end of the agreement's confidence interval, where there
            are images enough for it.
        methods: How layers may be reduced.
        rule: How ranks are chosen: a key of ``ranks.RULES``.
        precision: Of the network that is delivered: one of ``defaults.PRECISIONS``.
        nonlinear: Whether fits match the response after its activation.
        seed: Chooses images and sampled positions.
        threads: Threads for the passes over the images and for the fits.
    """

    target: float | None = 2.0
    cost: Measure = MULTIPLY_ADDS
    max_drop_percent: float = 100.0
    surely: bool = False
    methods: tuple[Method, ...] = field(default_factory=all_methods)
    rule: str = "error"
    precision: str = "float32"
    nonlinear: bool = True
    seed: int = 0
    threads: int = 1
