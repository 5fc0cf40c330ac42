"""What was gained and lost, in one table: before, after, and how they compare."""

from collections.abc import Iterator, Mapping
from typing import Any

from export.judge.figure import wilson_percent
from export.report.numbers import MIB, count, interval, mebibytes, milliseconds, percent, points, times
from export.report.parts import Table

Document = Mapping[str, Any]
Row = tuple[str, str, str, str]


def headline(reduction: Document | None, evaluation: Document | None, bench: Document | None) -> Table | None:
    """The table that a report begins with; None where there is nothing to compare.

    Args:
        reduction: What ``reduce`` wrote; of its report or of ``--json``.
        evaluation: What ``evaluate --json`` wrote: its first network is before, its last after.
        bench: What ``bench --json`` wrote: likewise.
    """
    rows: list[Row] = []
    if bench is not None and len(bench["models"]) > 1:
        rows += _measured(bench, timed=bool(reduction and reduction.get("timed")))
    if reduction is not None:
        rows = [*_timed(reduction), *rows, *_counted(reduction)]
    if evaluation is not None and len(evaluation["models"]) > 1:
        rows += _accuracy(evaluation)
    if reduction is not None and reduction.get("agreement"):
        rows.append(_agreement("Agreement, images apart", reduction["agreement"]))
    if not rows:
        return None
    return Table(
        "What was gained and lost", ("", "Before", "After", "Change"), tuple(rows), frozenset({1, 2, 3})
    )


def _timed(reduction: Document) -> Iterator[Row]:
    """Time where that was the cost: as measured for the promise, under the engine that is to run it."""
    timed = reduction.get("timed")
    if timed:
        before, after = timed["original_ns"] / 1e6, timed["reduced_ns"] / 1e6
        yield (
            f"Time of one inference, {timed['engine']}",
            milliseconds(before),
            milliseconds(after),
            times(before, after, "faster", "slower"),
        )


def _measured(bench: Document, *, timed: bool) -> Iterator[Row]:
    first, last = bench["models"][0], bench["models"][-1]
    before, after = first["latency_ms"]["p50"], last["latency_ms"]["p50"]
    if not timed:
        between = f" ({bench['speedup_min']:.2f} to {bench['speedup_max']:.2f})"
        yield (
            f"Time of one inference, {last['engine']}",
            milliseconds(before),
            milliseconds(after),
            times(before, after, "faster", "slower") + between,
        )
    for name, key in (("Memory of the process", "peak_rss_mib"), ("of that, the network", "model_rss_mib")):
        yield (
            name,
            mebibytes(first[key]),
            mebibytes(last[key]),
            times(first[key], last[key], "less", "more"),
        )


def _counted(reduction: Document) -> Iterator[Row]:
    """What does not depend on a machine."""
    if "bytes_before" in reduction:
        before, after = reduction["bytes_before"], reduction["bytes_after"]
        yield (
            "File",
            mebibytes(before / MIB),
            mebibytes(after / MIB),
            times(before, after, "smaller", "larger"),
        )
    for name, key in (("Multiply-adds", "macs"), ("Weights", "parameters")):
        before, after = (
            sum(layer[f"{key}_{when}"] for layer in reduction["layers"]) for when in ("before", "after")
        )
        yield name, count(before), count(after), times(before, after, "fewer", "more")


def _accuracy(evaluation: Document) -> Iterator[Row]:
    first, last = evaluation["models"][0], evaluation["models"][-1]
    names = (
        ("top1_percent", "Top-1"), ("top5_percent", "Top-5"), ("right_class_percent", "Right class"),
    )  # fmt: skip
    for key, name in names:
        if first.get(key) is not None:
            before, after = (_with_interval(each[key], evaluation["images"]) for each in (first, last))
            yield f"{name}, {evaluation['images']} images", before, after, points(last[key] - first[key])
    for key, name in (("map50", "mAP50"), ("map", "mAP")):
        if first.get(key) is not None:
            before, after = first[key], last[key]
            yield (
                f"{name}, {evaluation['images']} images",
                f"{before:.3f}",
                f"{after:.3f}",
                f"{after - before:+.3f}",
            )
    yield _agreement(f"Agreement, {evaluation['images']} images", last["agreement"])


def _with_interval(value: float, images: int) -> str:
    """A share of images with the ends of its 95 % confidence interval."""
    return f"{percent(value)} ({interval(*wilson_percent(value / 100 * images, images))})"


def _agreement(name: str, agreement: Document) -> Row:
    ends = interval(agreement["low_percent"], agreement["high_percent"])
    return name, "", f"{percent(agreement['percent'])} ({ends})", points(agreement["percent"] - 100)
