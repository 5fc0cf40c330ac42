"""The figures of reports, drawn from plain numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from export.report.drawing import AFTER, BEFORE, INK, MUTED, drawing, safe

LEAST_ERROR = 1e-6  # errors below are drawn as this: rounding, no loss
BAR_INCHES, MARGIN_INCHES = 0.3, 0.75


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its confidence interval.

    Attributes:
        label: What it is of.
        value: The figure.
        low: Its lower end.
        high: Its upper end.
        chosen: Whether it stands out.
    """

    label: str
    value: float
    low: float
    high: float
    chosen: bool = False


@dataclass(frozen=True)
class Spectrum:
    """The energy of a layer's responses.

    Attributes:
        layer: Its name.
        method: What became of it.
        ranks: Numbers of components, rising.
        shares: Of the variance that so many leading components hold, 0 to 1.
        rank: How many of them are left; None where they were not cut.
    """

    layer: str
    method: str
    ranks: Sequence[int]
    shares: Sequence[float]
    rank: int | None


@dataclass(frozen=True)
class Spread:
    """Latencies of a network in milliseconds.

    Attributes:
        label: The network.
        least: The least of all.
        percentiles: The 50th, 90th and 99th.
        rounds: The median of each round.
        chosen: Whether it stands out.
    """

    label: str
    least: float
    percentiles: tuple[float, float, float]
    rounds: Sequence[float]
    chosen: bool


def accuracy_against_cost(
    name: str, tried: Sequence[tuple[float, Interval]], promised: Sequence[tuple[float, float]], cost: str
) -> str:
    """Agreement of what was tried, above the error that other targets promised.

    Args:
        name: Of the figure.
        tried: Ratios of cost, and the agreement there, in percent.
        promised: Ratios of cost, and summed relative errors there.
        cost: What the ratio is of.
    """
    with drawing(name, 3.6) as begun:
        above, below = begun.figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for ratio, each in tried:
            style = {"color": AFTER, "marker": "D"} if each.chosen else {"color": BEFORE, "marker": "o"}
            reach = [[max(0.0, each.value - each.low)], [max(0.0, each.high - each.value)]]
            above.errorbar([ratio], [each.value], yerr=reach, capsize=3, markersize=6, **style)
        above.errorbar([1], [100], color=MUTED, marker="s", markersize=5)
        above.set_ylabel("agreement [%]")
        below.plot(
            [ratio for ratio, _ in promised], [max(error, LEAST_ERROR) for _, error in promised],
            color=MUTED, marker=".",
        )  # fmt: skip
        for axes in (above, below):
            for ratio in (ratio for ratio, each in tried if each.chosen):
                axes.axvline(ratio, color=AFTER, linewidth=0.8, linestyle="--")
        _errors(below)
        below.set_ylabel("error foreseen")
        below.set_xlabel(f"{cost}: times less than before")
        _ratios(below, [1.0, *(ratio for ratio, _ in (*tried, *promised))])
    return begun.svg


def paired_bars(name: str, rows: Sequence[tuple[str, float, float]], unit: str) -> str:
    """What each layer costs before and after, as pairs of bars.

    Args:
        name: Of the figure.
        rows: The layer, its cost before, and after, the first on top.
        unit: What the cost is counted in.
    """
    with drawing(name, MARGIN_INCHES + BAR_INCHES * len(rows)) as begun:
        axes = begun.figure.add_subplot()
        places = range(len(rows))
        axes.barh(
            [place - 0.19 for place in places], [row[1] for row in rows], 0.36, color=BEFORE, label="before"
        )
        axes.barh(
            [place + 0.19 for place in places], [row[2] for row in rows], 0.36, color=AFTER, label="after"
        )
        axes.set_yticks(places, [safe(row[0]) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(unit)
        begun.figure.legend(loc="outside upper right", ncols=2)
    return begun.svg


def spectra(name: str, shown: Sequence[Spectrum]) -> str:
    """The energy of each layer's responses over the rank, with the rank that was chosen."""
    rows = math.ceil(len(shown) / 2)
    with drawing(name, 0.3 + 1.25 * rows) as begun:
        grid = begun.figure.subplots(rows, 2, squeeze=False, sharey=True)
        for axes in grid.flat[len(shown) :]:
            axes.set_axis_off()
        for axes, each in zip(grid.flat, shown, strict=False):
            axes.plot([0, *each.ranks], [0, *(100 * share for share in each.shares)], color=BEFORE)
            if each.rank is not None:
                axes.axvline(each.rank, color=AFTER)
            title = each.method if each.rank is None else f"rank {each.rank}"
            axes.set_title(f"{safe(each.layer, 14)}: {title}", fontsize=8.5)
            axes.set_ylim(0, 103)
        begun.figure.supylabel("energy held [%]", fontsize=8.5)
        begun.figure.supxlabel("leading components", fontsize=8.5)
    return begun.svg


def build_up(name: str, errors: Sequence[float]) -> str:
    """The relative error of each layer's response in the order of the network, where it is no rounding."""
    with drawing(name, 2.6) as begun:
        axes: Any = begun.figure.add_subplot()
        shown = [(place, error) for place, error in enumerate(errors, start=1) if error > LEAST_ERROR]
        axes.plot(*zip(*shown, strict=True), color=AFTER, marker="o", markersize=3.5)
        _errors(axes)
        axes.set_ylabel("relative error")
        axes.set_xlabel("layer, in the order of the network")
        axes.xaxis.get_major_locator().set_params(integer=True)
    return begun.svg


def intervals(name: str, shown: Sequence[Interval], label: str) -> str:
    """Figures with their confidence intervals, one below the other."""
    with drawing(name, MARGIN_INCHES + BAR_INCHES * len(shown)) as begun:
        axes = begun.figure.add_subplot()
        for place, each in enumerate(shown):
            reach = [[max(0.0, each.value - each.low)], [max(0.0, each.high - each.value)]]
            colour = AFTER if each.chosen else BEFORE
            axes.errorbar([each.value], [place], xerr=reach, color=colour, marker="o", capsize=3)
        _named_rows(axes, [each.label for each in shown])
        axes.set_xlabel(label)
        axes.locator_params(axis="x", nbins=5)
    return begun.svg


def latencies(name: str, shown: Sequence[Spread]) -> str:
    """The latencies of networks, one below the other: least to 99th percentile, median, medians of rounds."""
    with drawing(name, MARGIN_INCHES + 1.5 * BAR_INCHES * len(shown)) as begun:
        axes = begun.figure.add_subplot()
        for place, each in enumerate(shown):
            colour = AFTER if each.chosen else BEFORE
            median, most, nearly_all = each.percentiles
            axes.plot([each.least, nearly_all], [place, place], color=colour, linewidth=1)
            axes.plot([each.least, most], [place, place], color=colour, linewidth=6, solid_capstyle="butt")
            axes.plot([median], [place], color=INK, marker="|", markersize=14, markeredgewidth=2)
            axes.plot(
                each.rounds, [place + 0.32] * len(each.rounds), color=colour, marker=".", linestyle="none"
            )
        _named_rows(axes, [each.label for each in shown])
        axes.set_xlim(left=0)
        axes.set_xlabel("time of one inference [ms]")
    return begun.svg


def _named_rows(axes: Any, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), [safe(label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def _errors(axes: Any) -> None:
    """An axis of errors: powers of ten, and where there is none among them, some numbers between."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if _within_one_power(axes) else "")


def _within_one_power(axes: Any) -> bool:
    low, high = axes.get_ylim()
    return bool(math.log10(high / low) < 1)


def _ratios(axes: Any, ratios: Sequence[float]) -> None:
    """An axis of ratios: 1 to 2 is as far as 2 to 4, and each is written as it is spoken."""
    least, most = 0.95, 1.05 * max(ratios)
    near = (1, 1.1, 1.2, 1.3, 1.5, 1.75, 2, 2.5, 3)
    marks = [mark for mark in (near if most < 3 else (1, 2, 3, 5, 10, 20, 50, 100)) if mark <= most]
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks], minor=False)
    axes.set_xticks([], minor=True)
