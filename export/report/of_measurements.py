"""What a report says of an evaluation and of a benchmark, from their documents alone."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from export.judge.figure import wilson_percent
from export.report import plots
from export.report.disagreement import disagreement
from export.report.numbers import figure, interval, mebibytes, milliseconds, percent
from export.report.parts import Figure, Section, Table

Document = Mapping[str, Any]

SCORES = (("top1_percent", "Top-1"), ("top5_percent", "Top-5"), ("right_class_percent", "Right class"))
PRECISIONS = (("map50", "mAP50"), ("map", "mAP"))


def sections_of_evaluation(document: Document) -> Iterator[Section]:
    """The sections on an evaluation, from what ``evaluate`` wrote."""
    models, images = document["models"], document["images"]
    first = models[0]
    scores = [(key, name) for key, name in SCORES if first.get(key) is not None]
    precisions = [(key, name) for key, name in PRECISIONS if first.get(key) is not None]
    header = (
        "Network",
        *(name for _, name in (*scores, *precisions)),
        "Agreement with the first",
        "Rests on",
    )
    rows = tuple(
        (
            _name(model["model"]),
            *(_share(model[key], images) for key, _ in scores),
            *(f"{model[key]:.3f}" for key, _ in precisions),
            _agreement(model["agreement"]),
            model["agreement"]["rests_on"],
        )
        for model in models
    )
    numbers = frozenset(range(1, len(header) - 1))
    table = Table("Accuracy of each network", header, rows, numbers)
    sentence = f"{images} images of {document['folder']}; in brackets 95 % confidence intervals."
    shown, label = _intervals(models, images, scores[0] if scores else None)
    caption = (
        f"{label[0].upper()}{label[1:]} of each network with 95 % intervals. The figures stand in the table."
    )
    drawn = Figure("accuracy", caption, lambda: plots.intervals("accuracy", shown, f"{label} [%]"))
    yield Section("Accuracy", (sentence,), table, (drawn,))
    if document.get("differences"):
        yield disagreement(document["differences"], "images, between the first network and the last")


def sections_of_bench(document: Document) -> Iterator[Section]:
    """The sections on a benchmark, from what ``bench --json`` wrote."""
    models = document["models"]
    header = (
        "Network",
        "Engine",
        "Median",
        "90th",
        "99th percentile",
        "Per second",
        "Memory",
        "of the network",
    )
    rows = tuple(
        (
            _name(model["path"]),
            model["engine"],
            *(milliseconds(model["latency_ms"][key]) for key in ("p50", "p90", "p99")),
            figure(model["fps"]),
            mebibytes(model["peak_rss_mib"]),
            mebibytes(model["model_rss_mib"]),
        )
        for model in models
    )
    table = Table("Time and memory of each network", header, rows, frozenset(range(2, 8)))
    runs = f"{document['rounds']} rounds of {document['seconds']:g} s for each network"
    sentences = [f"Timed: {document['timed']}. {runs}, a fresh process each, in turn."]
    sentences += [f"Note: disturbed: {reason}." for reason in document["reasons"]]
    machine = document["machine"]
    heat = machine.get("temperature_before_c"), machine.get("temperature_after_c")
    if None not in heat:
        sentences.append(f"Temperature: {heat[0]:.0f} °C before, {heat[1]:.0f} °C after.")
    spreads = [_spread(model, last=model is models[-1]) for model in models]
    caption = (
        "Time of one inference: from the least to the 99th percentile, thick to the 90th, the median a "
        "stroke, the median of each round a dot below."
    )
    drawn = Figure("latency", caption, lambda: plots.latencies("latency", spreads))
    yield Section("Time and memory", tuple(sentences), table, (drawn,))


def _name(path: str) -> str:
    return PurePath(path).name


def _share(value: float, images: int) -> str:
    return f"{percent(value)} ({interval(*wilson_percent(value / 100 * images, images))})"


def _agreement(agreement: Document) -> str:
    return (
        f"{percent(agreement['percent'])} ({interval(agreement['low_percent'], agreement['high_percent'])})"
    )


def _intervals(
    models: list[Document], images: int, score: tuple[str, str] | None
) -> tuple[list[plots.Interval], str]:
    """What is drawn of each network: its first score, or where the truth is not known its agreement."""
    shown = []
    for model in models:
        value, ends = (
            model["agreement"]["percent"],
            (model["agreement"]["low_percent"], model["agreement"]["high_percent"]),
        )
        if score is not None:
            value = model[score[0]]
            ends = wilson_percent(value / 100 * images, images)
        chosen = model is models[-1]
        shown.append(plots.Interval(_name(model["model"]), value, ends[0], ends[1], chosen))
    return shown, score[1].lower() if score else "agreement with the first"


def _spread(model: Document, *, last: bool) -> plots.Spread:
    latency = model["latency_ms"]
    label = (
        f"{_name(model['path'])} {model['engine']}"
        if model["engine"] != "onnxruntime"
        else _name(model["path"])
    )
    percentiles = latency["p50"], latency["p90"], latency["p99"]
    return plots.Spread(label, latency["min"], percentiles, model["round_p50_ms"], last)
