"""A report from documents: what was gained in all, then what each document tells, then how it was made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from export.report.headline import headline
from export.report.of_measurements import sections_of_bench, sections_of_evaluation
from export.report.of_reduction import sections_of_reduction, summary
from export.report.parts import Report, Section, Table

Document = Mapping[str, Any]

#: Of a reduction's document what other sections say, or what is too long for a table of facts.
TOLD = {
    "layers", "uncounted", "agreement", "agreement_percent", "doubts", "attempts", "promised", "differences",
    "bench", "evaluation", "timed", "macs_ratio", "params_ratio", "bytes_before", "bytes_after",
}  # fmt: skip
NAMES = {
    "source": "Network",
    "source_sha256": "SHA-256 of the network",
    "speedup": "Speed-up asked for",
    "storage": "Smaller weights asked for",
    "max_drop_percent": "Points of agreement that could be lost",
    "methods": "Methods",
    "ranks": "Ranks chosen by least",
    "seed": "Seed",
    "images": "Images fitted on",
    "versions": "Versions",
    "seconds": "Seconds taken",
    "command": "Command",
}


@dataclass(frozen=True)
class Documents:
    """What a report is made of; None where there is none, or where it is part of the reduction's document.

    Attributes:
        reduction: Of ``reduce``.
        evaluation: Of ``evaluate``.
        bench: Of ``pi-infer bench``.
    """

    reduction: Document | None = None
    evaluation: Document | None = None
    bench: Document | None = None


def kind_of(document: Document) -> str | None:
    """Which field of ``Documents`` a document belongs into; None if into none."""
    if "layers" in document and "macs_ratio" in document:
        return "reduction"
    if "models" in document:
        return "bench" if "machine" in document else "evaluation"
    return None


def assemble(documents: Documents) -> Report:
    """The report on some documents.

    Args:
        documents: One at least, as written or as read back from JSON.
    """
    return Report(_title(documents), tuple(_sections(documents)))


def _sections(documents: Documents) -> Iterator[Section]:
    reduction = documents.reduction
    evaluation = documents.evaluation or (reduction or {}).get("evaluation")
    bench = documents.bench or (reduction or {}).get("bench")
    sentences = summary(reduction) if reduction else ()
    if bench and not bench["valid"]:
        sentences = (
            *sentences,
            "Note: other programs disturbed the timing (see below): its figures are doubtful.",
        )
    yield Section("What was gained, and lost", sentences, headline(reduction, evaluation, bench))
    if reduction:
        yield from sections_of_reduction(reduction)
    if evaluation:
        yield from sections_of_evaluation(evaluation)
    if bench:
        yield from sections_of_bench(bench)
    facts = tuple(_facts(reduction, evaluation, bench))
    yield Section("How it was made", table=Table("How it was made", ("What", "Value"), facts))


def _title(documents: Documents) -> str:
    if documents.reduction:
        return f"{documents.reduction['source']}, reduced"
    key, document = ("model", documents.evaluation) if documents.evaluation else ("path", documents.bench)
    models = (document or {})["models"]
    kind = "evaluated" if documents.evaluation else "timed"
    return f"{', '.join(str(each[key]).rpartition('/')[2] for each in models)}, {kind}"


def _facts(
    reduction: Document | None, evaluation: Document | None, bench: Document | None
) -> Iterator[tuple[str, str]]:
    for key, value in (reduction or {}).items():
        if key not in TOLD and value not in (None, [], {}):
            yield NAMES.get(key, key.replace("_", " ").capitalize()), _text(value)
    if evaluation and evaluation.get("command"):
        yield "Command of the evaluation", str(evaluation["command"])
    if bench:
        machine = bench["machine"]
        board = [machine[key] for key in ("model", "cpu", "arch", "os", "kernel")]
        known = ", ".join(part for part in board if part != "unknown")
        yield "Machine that was timed", f"{known}, {machine['cores']} cores, {machine['threads']} threads"
        yield "Versions there", _text(machine["versions"])


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
