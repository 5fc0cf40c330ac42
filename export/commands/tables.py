"""What the command line shows: results as tables for a terminal."""

import json
from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table

from edge_runtime.model.card import ModelCard
from export.judge.agreement import Agreement
from export.judge.classification import ClassifierEvaluation
from export.judge.detection import DetectorEvaluation
from export.judge.evaluate import Evaluation
from export.judge.raw import RawEvaluation
from export.layer import CountedNode, Layer
from export.network.inspection import Inspection
from export.network.tally import Uncounted, uncounted_documents
from export.precision.quantiser import Quantised
from export.propose.fields import Proposal
from export.reduction.result import Reduction

NUMBERS_OF_A_LAYER = ("Channels", "Stride", "Group", "Output", "MACs", "Share", "Parameters")
SHOWN_LABELS = 12
SHOWN_LAYERS = 4
LONGEST_VALUE = 60  # of a proposed field, of which people look at the beginning


def layer_table(inspection: Inspection) -> Table:
    """Everything that multiplies: what it is, what it costs, and whether it can be reduced."""
    last = ", channels last" if inspection.layout == "NHWC" else ""
    table = _table(f"{inspection.model.name}, input {_size(inspection.input_size)}{last}")
    table.add_column("Layer", overflow="fold")
    table.add_column("Kind", no_wrap=True)
    for name in NUMBERS_OF_A_LAYER:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Reducible")
    for layer in inspection.layers:
        table.add_row(
            printable(layer.name),
            *_geometry(layer),
            _count(layer.macs),
            _percent(100 * inspection.share(layer)),
            _count(layer.parameters),
            "yes" if layer.reason is None else f"no: {printable(layer.reason)}",
        )
    table.add_section()
    total = [""] * 4 + [_count(inspection.macs), "", _count(inspection.parameters)]
    table.add_row(f"{len(inspection.layers)} layers", "", *total, f"{len(inspection.reducible)} reducible")
    table.caption = _not_counted(inspection.uncounted) or None
    table.caption_justify = "left"
    return table


def _geometry(layer: Layer | CountedNode) -> tuple[str, str, str, str, str]:
    """Kind, channels, stride, group and output of a layer; of what is only counted its kind alone."""
    if isinstance(layer, CountedNode):
        return printable(layer.op_type), "", "", "", ""
    return (
        f"Conv {_size(layer.kernel)}" if layer.op_type == "Conv" else layer.op_type,
        f"{layer.in_channels} → {layer.out_channels}",
        _size(layer.stride),
        str(layer.group),
        _size(layer.output_size),
    )


def _not_counted(uncounted: Sequence[Uncounted]) -> str:
    """A sentence on what the totals leave out; empty where that is nothing."""
    parts = (
        f"{printable(each['op_type'])} ({each['nodes']}), for {each['reason']}"
        for each in uncounted_documents(uncounted)
    )
    text = "; ".join(parts)
    return f"not counted: {text}" if text else ""


def reduction_table(reduction: Reduction, title: str, max_drop_percent: float) -> Table:
    """The table of ``reduce``: what became of every layer, and what was gained in all."""
    table = _table(title)
    table.add_column("Layer", overflow="fold")
    table.add_column("Method", no_wrap=True)
    for name in ("Rank", "MACs before", "after", "Weights before", "after", "Error"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Why not reduced")
    for layer in reduction.layers:
        table.add_row(
            printable(layer.name),
            f"{layer.method}, {layer.solver}" if layer.method else "",
            " × ".join(map(str, layer.ranks or ())),
            *(_count(macs) for macs in (layer.macs_before, layer.macs_after)),
            *(_count(weights) for weights in (layer.parameters_before, layer.parameters_after)),
            "" if layer.relative_error is None else f"{layer.relative_error:.4f}",
            printable(layer.reason or ""),
        )
    table.caption = (
        f"{reduction.speedup:.2f} times fewer multiply-adds, {reduction.parameters_ratio:.2f} times fewer "
        f"weights{_packed(reduction)}; fitted on {reduction.images} images in {reduction.seconds:.0f} s"
    )
    if reduction.rounded.int8:
        table.caption += f"\n{int8_words(reduction.rounded.int8)}"
    if reduction.agreement:
        table.caption += f"\n{judged_words(reduction.agreement, max_drop_percent)}"
    left_out = _not_counted(reduction.network.uncounted)
    table.caption += f"\n{left_out}" if left_out else ""
    table.caption_justify = "left"
    return table


def _packed(reduction: Reduction) -> str:
    """What is gained on disk beyond the fewer weights, where many of them are zero."""
    if reduction.storage_ratio <= reduction.parameters_ratio:
        return ""
    return f", {reduction.storage_ratio:.2f} times smaller where zeros are packed"


def int8_words(quantised: Quantised) -> str:
    """What of a network is in int8, in a sentence."""
    count, kept = len(quantised.layers), quantised.in_float
    if not kept:
        return f"int8 in all {count} layers"
    some = [printable(name) for name in kept[:SHOWN_LAYERS]]
    more = [f"{len(kept) - len(some)} more"] if len(kept) > len(some) else []
    return f"int8 in {count - len(kept)} of {count} layers; in float, as int8 costs most there: " + ", ".join(
        [*some, *more]
    )


def judged_words(agreement: Agreement, max_drop_percent: float) -> str:
    """How far a network agrees with the original, with what a reader should know before trusting it."""
    figure = f"{agreement.words()}, of images kept apart{_divergence(agreement)}"
    return figure + _notes(agreement.doubts(max_drop_percent))


def _notes(doubts: Iterable[str]) -> str:
    """What a reader should know before trusting a figure: each sentence once, in a line of its own."""
    return "".join(f"\nNote: {printable(doubt)}" for doubt in dict.fromkeys(doubts))


def _divergence(agreement: Agreement) -> str:
    return "" if agreement.divergence is None else f"; divergence {agreement.divergence:.2g} nats"


def evaluation_table(evaluation: Evaluation) -> Table:
    """The table of ``evaluate``: a row for each network, a column for each measure."""
    table = _table(f"{evaluation.images} images of {printable(str(evaluation.folder))}")
    table.add_column("Network", overflow="fold")
    match evaluation:
        case DetectorEvaluation():
            _fill_with_detectors(table, evaluation)
        case ClassifierEvaluation():
            _fill_with_classifiers(table, evaluation)
        case RawEvaluation():
            _add_agreement_columns(table)
            for score in evaluation.scores:
                table.add_row(printable(str(score.model)), *_agreement_cells(score.agreement))
    notes = _notes(note for score in evaluation.scores for note in score.agreement.notes)
    if notes:
        table.caption = notes.removeprefix("\n")
        table.caption_justify = "left"
    return table


def _add_agreement_columns(table: Table, *, divergence: bool = False) -> None:
    table.add_column("Agreement with the first", justify="right")
    table.add_column("95 % confidence", justify="right", no_wrap=True)
    if divergence:
        table.add_column("Divergence", justify="right", no_wrap=True)
    table.add_column("Rests on", overflow="fold")


def _agreement_cells(agreement: Agreement) -> list[str]:
    worst = agreement.worst
    cells = [_percent(worst.percent), f"{worst.low_percent:.1f} to {worst.high_percent:.1f} %"]
    if agreement.divergence is not None:
        cells.append(f"{agreement.divergence:.2g}")
    return [*cells, printable(worst.words())]


def _fill_with_classifiers(table: Table, evaluation: ClassifierEvaluation) -> None:
    """Fill the table in, with accuracies only where the folder is labelled."""
    labelled = evaluation.scores[0].top1_percent is not None
    for name in ("Top-1", "lost", "Top-5", "lost") if labelled else ():
        table.add_column(name, justify="right", no_wrap=True)
    _add_agreement_columns(table, divergence=True)
    for score in evaluation.scores:
        drops = evaluation.top1_drop(score), evaluation.top5_drop(score)
        accuracies = (score.top1_percent, drops[0], score.top5_percent, drops[1]) if labelled else ()
        cells = [_percent(value) for value in accuracies if value is not None]
        table.add_row(printable(str(score.model)), *cells, *_agreement_cells(score.agreement))


def _fill_with_detectors(table: Table, evaluation: DetectorEvaluation) -> None:
    """Fill the table in, with precision and right classes only where the folder knows the truth of them."""
    first = evaluation.scores[0]
    precisions = ("mAP50", "mAP") if first.map is not None else ()
    right_class = ("Right class",) if first.right_class_percent is not None else ()
    for name in (*precisions, *right_class):
        table.add_column(name, justify="right")
    _add_agreement_columns(table)
    for score in evaluation.scores:
        values = [f"{value:.3f}" for value in (score.map50, score.map) if value is not None]
        if score.right_class_percent is not None:
            values.append(_percent(score.right_class_percent))
        table.add_row(printable(str(score.model)), *values, *_agreement_cells(score.agreement))


def card_table(card: ModelCard, title: str) -> Table:
    """The table of ``card``: a model card, field by field."""
    table = _table(title)
    table.add_column("Field", no_wrap=True)
    table.add_column("Value", overflow="fold")
    for key, value in card_fields(card).items():
        table.add_row(key, printable(value))
    return table


def proposal_table(proposal: Proposal, title: str) -> Table:
    """A proposed card, field by field, with where each value comes from."""
    table = _table(title)
    for name in ("Field", "Value"):
        table.add_column(name, overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("Why")
    for field in proposal.fields:
        value = json.dumps(field.value, ensure_ascii=False)
        shown = value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 3]}..."
        table.add_row(field.key, printable(shown), "guess" if field.guessed else "", printable(field.why))
    return table


def card_fields(card: ModelCard) -> dict[str, str]:
    """The fields of a model card in words, by the names that people read."""
    spec = card.input
    layout = f", {spec.layout}" if spec.layout else ""
    return {
        "task": card.task,
        "input": f"{_size(spec.size)} {spec.colour}{layout}, {spec.resize}, "
        f"{spec.interpolation} interpolation",
        "normalisation": f"(pixel * {spec.scale:g} - {_values(spec.mean)}) / {_values(spec.std)}",
        "labels": _labels(card),
        "decoder": str(card.decoder.get("kind", "yes")) if card.decoder else "none",
        "golden output": f"seed {card.golden.seed}, shapes {card.golden.shapes}" if card.golden else "none",
        "provenance": ", ".join(f"{key}: {value}" for key, value in (card.provenance or {}).items())
        or "none",
    }


def printable(text: str) -> str:
    """Text from a file, safe for a terminal: control characters and escape sequences show as ``?``."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _labels(card: ModelCard) -> str:
    if not card.labels:
        return "none"
    shown = [f"{index} {name}" for index, name in sorted(card.labels.items())[:SHOWN_LABELS]]
    more = len(card.labels) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _table(title: str) -> Table:
    return Table(title=printable(title), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _values(values: tuple[float, ...]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"


def _percent(value: float) -> str:
    return f"{value:.2f} %"


def _count(count: int) -> str:
    """A count with three significant digits and a unit."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)
