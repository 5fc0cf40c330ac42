"""A reduction as a document: plain data for programs, of which the page for people is made."""

from collections.abc import Mapping
from typing import Any

from export.choose.cost import Measure
from export.network.tally import uncounted_documents
from export.reduction.result import LayerReport, Reduction


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
        "layers": [_layer_document(layer, reduction.cost) for layer in reduction.layers],
    }


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
