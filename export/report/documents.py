"""A reduction as a document: plain data for programs, of which the page for people is made."""

import base64
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from export.choose.cost import Measure
from export.choose.spectrum import Energy
from export.judge.differences import Differences
from export.network.tally import uncounted_documents
from export.reduction.examine import Examination
from export.reduction.result import LayerReport, Reduction, Tried


def reduction_document(
    reduction: Reduction, provenance: Mapping[str, Any], max_drop_percent: float
) -> dict[str, Any]:
    """A reduction as plain data: what ``reduce --json`` writes.

    Args:
        reduction: What was done.
        provenance: From what, with which settings and versions, as it stands in the model card.
        max_drop_percent: Agreement that could be lost.
    """
    agreement = reduction.agreement
    return {
        **provenance,
        "macs_ratio": reduction.speedup,
        "cost_unit": reduction.cost.unit,
        "cost_ratio": reduction.ratio(reduction.cost),
        "agreement_percent": reduction.agreement_percent,
        "agreement": agreement.to_document() if agreement else None,
        "doubts": agreement.doubts(max_drop_percent) if agreement else [],
        "params_ratio": reduction.parameters_ratio,
        "storage_ratio": reduction.storage_ratio,
        "uncounted": uncounted_documents(reduction.network.uncounted),
        "reached": reduction.reached,
        "image_passes": reduction.image_passes,
        "seconds": reduction.seconds,
        "attempts": [_attempt_document(tried) for tried in reduction.attempts],
        "promised": [asdict(each) for each in reduction.promised],
        "layers": [
            {
                **_layer_document(layer, reduction.cost),
                "energy": _energy(reduction.energy.get(layer.output, ())),
            }
            for layer in reduction.layers
        ],
    }


def examined(document: Mapping[str, Any], examination: Examination) -> dict[str, Any]:
    """The document of a reduction with what a closer look at it showed: what ``reduce --report`` writes.

    Args:
        document: What ``reduction_document`` made.
        examination: The closer look.
    """
    errors = examination.response_errors
    return {
        **document,
        "bytes_before": examination.bytes_before,
        "bytes_after": examination.bytes_after,
        "differences": differences_document(examination.differences),
        "bench": asdict(examination.measured),
        "layers": [{**layer, "response_error": errors.get(layer["output"])} for layer in document["layers"]],
    }


def differences_document(found: Differences | None) -> dict[str, Any] | None:
    """Pictures on which two networks differ as plain data, each with a small copy of it in base64."""
    if found is None:
        return None
    shown = [{**asdict(each), "jpeg": base64.b64encode(each.jpeg).decode("ascii")} for each in found.shown]
    return {"images": found.images, "count": found.count, "shown": shown}


def command_line(program: str, arguments: Sequence[str]) -> str:
    """A command as it may be copied into a shell."""
    return shlex.join([program, *arguments])


def _attempt_document(tried: Tried) -> dict[str, Any]:
    worst = tried.agreement.worst if tried.agreement else None
    return {
        "ratio": tried.ratio,
        "percent": worst.percent if worst else None,
        "low_percent": worst.low_percent if worst else None,
        "high_percent": worst.high_percent if worst else None,
        "chosen": tried.chosen,
    }


def _energy(energy: Sequence[Energy]) -> list[list[float]]:
    """Ranks with the share of the energy that they hold; digits beyond the sixth tell nothing."""
    return [[each.rank, round(each.share, 6)] for each in energy]


def _layer_document(layer: LayerReport, cost: Measure) -> dict[str, Any]:
    before, after = layer.cost(cost)
    return {
        "name": layer.name,
        "output": layer.output,
        "op_type": layer.op_type,
        "method": layer.method,
        "solver": layer.solver,
        "rank": layer.ranks[0] if layer.ranks and len(layer.ranks) == 1 else layer.ranks,
        "macs_before": layer.macs_before,
        "macs_after": layer.macs_after,
        "cost_before": before,
        "cost_after": after,
        "parameters_before": layer.parameters_before,
        "parameters_after": layer.parameters_after,
        "storage_bytes_after": layer.storage_bytes_after,
        "relative_error": layer.relative_error,
        "reason": layer.reason,
    }
