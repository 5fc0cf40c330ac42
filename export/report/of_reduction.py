"""What a report says of a reduction, from its document alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from export.report import plots
from export.report.disagreement import disagreement
from export.report.numbers import count, exponent, figure, interval, of_unit, percent
from export.report.parts import Figure, Section, Table

Document = Mapping[str, Any]

BARS = 16  # of more layers the dearest have bars of their own
SPECTRA = 12
FARTHER = 2.5  # than what was tried: other targets beyond would only make the rest small
OF_COMPONENTS = ("channel", "fully-connected")  # methods whose rank is a number of components
UNITS = {
    "macs": ("multiply-adds", "multiply-adds [millions]", 1e6),
    "ns": ("time", "time [ms]", 1e6),
    "bytes": ("storage", "weights on disk [KiB]", 1024.0),
}


def sections_of_reduction(document: Document) -> Iterator[Section]:
    """The sections on a reduction, after the headline.

    Args:
        document: What ``reduce`` wrote for its report; what older documents or ``--json`` lack is left out.
    """
    if document.get("attempts"):
        yield _against_cost(document)
    yield _cost_of_layers(document)
    if any(layer.get("energy") for layer in document["layers"]):
        yield _energy(document)
    if any((layer.get("response_error") or 0.0) > plots.LEAST_ERROR for layer in document["layers"]):
        yield _build_up(document)
    yield _layers(document)
    if document.get("differences"):
        yield disagreement(document["differences"], "pictures apart")


def summary(document: Document) -> tuple[str, ...]:
    """What is to be known of a reduction before its figures, a sentence each."""
    fewer = f"{document['macs_ratio']:.2f} times fewer multiply-adds, {document['params_ratio']:.2f} times"
    sentences = [
        f"{fewer} fewer weights; fitted on {document['images']} images in {document['seconds']:.0f} s."
    ]
    agreement = document.get("agreement")
    if agreement:
        ends = interval(agreement["low_percent"], agreement["high_percent"])
        sentences.append(
            f"{percent(agreement['percent'])} agreement with the original ({ends} with 95 % confidence): "
            f"{agreement['rests_on']}, of images kept apart."
        )
    if document.get("timed"):
        sentences.append(_promise(document["timed"]))
    if not document.get("reached", True):
        sentences.append("What was asked for was not reached: this is the best that was found.")
    left_out = "; ".join(
        f"{each['op_type']} ({each['nodes']}), for {each['reason']}" for each in document.get("uncounted", ())
    )
    if left_out:
        sentences.append(f"Not counted: {left_out}.")
    return (*sentences, *(f"Note: {doubt}." for doubt in document.get("doubts", ())))


def _promise(timed: Document) -> str:
    measured = timed["original_ns"] / timed["reduced_ns"]
    asked = f", {figure(timed['target'])} times asked for" if timed["target"] else ""
    return (
        f"{timed['predicted']:.2f} times faster foreseen by the cost table, {measured:.2f} times measured "
        f"under {timed['engine']} on {timed['where']}{asked}."
    )


def _against_cost(document: Document) -> Section:
    cost = UNITS[document["cost_unit"]][0]
    tried = [(each["ratio"], _tried(each)) for each in document["attempts"] if each["percent"] is not None]
    furthest = FARTHER * max((ratio for ratio, _ in tried), default=1.0)
    foreseen = [(each["ratio"], each["error"]) for each in document["promised"]]
    promised = [pair for pair in foreseen if pair[0] <= furthest]
    rows = [_row_of_tried(ratio, each) for ratio, each in tried]
    rows += [(f"{ratio:.2f}", "foreseen", "", exponent(error)) for ratio, error in promised]
    header = ("Times less", "", "Agreement", "Error foreseen")
    data = Table("Accuracy against cost", header, tuple(rows), frozenset({0, 3}))
    caption = (
        f"Agreement with the original on images apart, with 95 % intervals, against the ratio of {cost}: "
        f"what was fitted and judged ({len(tried)}), the chosen one a diamond. Below, the summed error that "
        "the candidates foretell for other targets, for which nothing was fitted."
    )
    drawn = Figure("cost", caption, lambda: plots.accuracy_against_cost("cost", tried, promised, cost), data)
    return Section("Accuracy against cost", figures=(drawn,))


def _row_of_tried(ratio: float, each: plots.Interval) -> tuple[str, str, str, str]:
    agreement = f"{percent(each.value)} ({interval(each.low, each.high)})"
    return f"{ratio:.2f}", "fitted, chosen" if each.chosen else "fitted", agreement, ""


def _tried(each: Document) -> plots.Interval:
    return plots.Interval("", each["percent"], each["low_percent"], each["high_percent"], each["chosen"])


def _cost_of_layers(document: Document) -> Section:
    cost, label, unit = UNITS[document.get("cost_unit", "macs")]
    layers = document["layers"]
    key = "cost" if all("cost_before" in layer for layer in layers) else "macs"
    dearest = sorted(layers, key=lambda layer: -float(layer[f"{key}_before"]))[:BARS]
    rows = [
        (layer["name"] or layer["op_type"], layer[f"{key}_before"] / unit, layer[f"{key}_after"] / unit)
        for layer in layers
        if any(layer is each for each in dearest)
    ]
    others = [layer for layer in layers if not any(layer is each for each in dearest)]
    if others:
        sums = [sum(layer[f"{key}_{when}"] for layer in others) / unit for when in ("before", "after")]
        rows.append((f"{len(others)} others", sums[0], sums[1]))
    caption = f"The {cost} of each layer before and after. The figures stand in the table of layers."
    drawn = Figure("layers", caption, lambda: plots.paired_bars("layers", rows, label))
    return Section(f"Where the {cost} went", figures=(drawn,))


def _energy(document: Document) -> Section:
    known = [layer for layer in document["layers"] if layer.get("energy")]
    dearest = sorted(known, key=lambda layer: -float(layer["macs_before"]))[:SPECTRA]
    shown = [_spectrum(layer) for layer in known if any(layer is each for each in dearest)]
    rows = tuple(_row_of_spectrum(_spectrum(layer)) for layer in known)
    header = ("Layer", "90 %", "99 %", "99.9 %", "Channels", "Rank chosen")
    data = Table("Components that hold so much of the energy", header, rows, frozenset(range(1, 6)))
    caption = (
        "How much of the variance of each layer's responses the leading components hold; a line where the "
        "layer was given so few: other methods than 'channel' do not cut components"
        + (f". The {SPECTRA} dearest of {len(known)} layers." if len(known) > SPECTRA else ".")
    )
    drawn = Figure("energy", caption, lambda: plots.spectra("energy", shown), data)
    return Section("Energy of the responses", figures=(drawn,))


def _row_of_spectrum(spectrum: plots.Spectrum) -> tuple[str, ...]:
    held = [str(_rank_for(spectrum, share)) for share in (0.9, 0.99, 0.999)]
    return spectrum.layer, *held, str(spectrum.ranks[-1]), _text(spectrum.rank)


def _spectrum(layer: Document) -> plots.Spectrum:
    ranks, shares = zip(*layer["energy"], strict=True)
    rank = layer["rank"]
    components = rank if layer["method"] in OF_COMPONENTS and isinstance(rank, int) else None
    return plots.Spectrum(layer["name"], layer["method"] or "as it was", ranks, shares, components)


def _rank_for(spectrum: plots.Spectrum, share: float) -> int:
    """The least of the ranks known that holds so much."""
    pairs = zip(spectrum.ranks, spectrum.shares, strict=True)
    return next((rank for rank, held in pairs if held >= share), spectrum.ranks[-1])


def _build_up(document: Document) -> Section:
    errors = [layer.get("response_error") or 0.0 for layer in document["layers"]]
    caption = (
        "Relative squared error of each layer's response, behind all that is reduced before it, on images "
        "apart; without layers that are exact, or of which fewer channels are computed. The table of layers "
        "has the figures."
    )
    drawn = Figure("buildup", caption, lambda: plots.build_up("buildup", errors))
    return Section("How the error builds up", figures=(drawn,))


def _layers(document: Document) -> Section:
    unit = document.get("cost_unit", "macs")
    timed = unit == "ns"
    header = ["Layer", "Method", "Rank", "Multiply-adds", "after", "Weights", "after"]
    header += ["Time", "after"] if timed else []
    rows = tuple(_layer(layer, unit if timed else None) for layer in document["layers"])
    numbers = frozenset(range(2, len(header) + 2))
    table = Table("All layers", (*header, "Error of the fit", "Error built up", "Why"), rows, numbers)
    sentence = (
        "The errors are squared errors of a layer's response over its variance: of the fit, on images held "
        "out of it; built up, on images apart, behind all that is reduced before."
    )
    return Section("Every layer", (sentence,), table)


def _layer(layer: Document, unit: str | None) -> tuple[str, ...]:
    method = f"{layer['method']}, {layer['solver']}" if layer["method"] else "as it was"
    costs = [count(layer[f"{key}_{when}"]) for key in ("macs", "parameters") for when in ("before", "after")]
    costs += [of_unit(layer[f"cost_{when}"], unit) for when in ("before", "after")] if unit else []
    errors = (layer["relative_error"], layer.get("response_error"))
    return (
        layer["name"],
        method,
        _text(layer["rank"]),
        *costs,
        *("" if error is None else exponent(error) for error in errors),
        layer["reason"] or "",
    )


def _text(rank: object) -> str:
    """The filters between the factors: one number, several, or none where the layer is as it was."""
    return " × ".join(map(str, rank)) if isinstance(rank, list | tuple) else "" if rank is None else str(rank)
