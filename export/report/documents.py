"""What was found or done, as documents: JSON for programs, one HTML page for people.

The page stands alone: no scripts, fonts, pictures or styles from elsewhere.
"""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import write_text
from export.layer import Layer
from export.network.layers import ReducibleNetwork
from export.reduction.result import LayerReport, Reduction

COST_UNITS = {"macs": "macs", "storage": "bytes"}
BAR_WIDTH = 320
BAR_HEIGHT = 9
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }
.number { text-align: right; font-variant-numeric: tabular-nums }
.before { fill: #c9ced6 } .after { fill: #2a6fb0 } .note { color: #666 }
"""


def inspection_document(network: ReducibleNetwork, model: Path) -> dict[str, Any]:
    """What ``inspect --json`` writes."""
    return {
        "model": str(model),
        "input_size": list(network.input_size),
        "macs": network.macs,
        "parameters": network.parameters,
        "layers": [_layer_fields(layer, network.macs) for layer in network.layers],
    }


def reduction_document(reduction: Reduction, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What ``reduce --json`` writes.

    Args:
        reduction: What was done.
        provenance: From what, with which settings and versions, as it stands in the model card.
    """
    return {
        **provenance,
        "macs_ratio": reduction.speedup,
        "cost_unit": COST_UNITS[reduction.cost],
        "cost_ratio": reduction.ratio(reduction.cost),
        "agreement_percent": reduction.agreement_percent,
        "params_ratio": reduction.parameters_ratio,
        "storage_ratio": reduction.storage_ratio,
        "reached": reduction.reached,
        "image_passes": reduction.image_passes,
        "seconds": reduction.seconds,
        "layers": [_reduced_layer_fields(layer, reduction.cost) for layer in reduction.layers],
    }


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document as JSON. Raises ``InputError`` if it cannot be written there."""
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_report(folder: Path, reduction: Reduction, document: Mapping[str, Any]) -> None:
    """Write ``report.json`` and ``report.html`` into a folder, made if need be.

    Raises:
        InputError: The folder cannot be made or written in.
    """
    require_folder(folder)
    write_json(folder / "report.json", document)
    write_text(folder / "report.html", report_page(reduction, document))


def require_folder(folder: Path) -> None:
    """Make a folder where there is none. Raises ``InputError`` if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write the report into {folder}: {error.strerror}") from error


def report_page(reduction: Reduction, document: Mapping[str, Any]) -> str:
    """The report as one HTML page."""
    largest = max(layer.macs_before for layer in reduction.layers)
    rows = "".join(_row(layer, largest) for layer in reduction.layers)
    name = html.escape(str(document["source"]))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}, reduced</title><style>{STYLE}</style></head><body>
<h1>{name}, reduced</h1>
<p>{reduction.speedup:.2f} times fewer multiply-adds, {reduction.parameters_ratio:.2f} times fewer weights;
fitted on {reduction.images} images in {reduction.seconds:.0f} s.</p>
<table><thead><tr><th>Layer</th><th>Method</th><th class="number">Rank</th>
<th class="number">MACs before</th><th class="number">after</th>
<th>{_bar_legend()}</th><th class="number">Error of the response</th></tr></thead>
<tbody>{rows}</tbody></table>
<p class="note">The error is the squared error of a layer's response on held-out images over its variance.</p>
<h2>How it was made</h2>
<table>{_facts(document)}</table>
</body></html>
"""


def _layer_fields(layer: Layer, macs: int) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op_type": layer.op_type,
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "kernel": list(layer.kernel),
        "stride": list(layer.stride),
        "group": layer.group,
        "output_size": list(layer.output_size),
        "macs": layer.macs,
        "macs_share": layer.macs / macs if macs else 0.0,
        "parameters": layer.parameters,
        "reducible": layer.reason is None,
        "reason": layer.reason,
    }


def _reduced_layer_fields(layer: LayerReport, cost: str) -> dict[str, Any]:
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


def _row(layer: LayerReport, largest: int) -> str:
    method = layer.reason if layer.method is None else f"{layer.method}, {layer.solver}"
    rank = " × ".join(map(str, layer.ranks or ()))
    error = "" if layer.relative_error is None else f"{layer.relative_error:.4f}"
    return (
        f"<tr><td>{html.escape(layer.name)}</td><td>{html.escape(str(method))}</td>"
        f'<td class="number">{rank}</td><td class="number">{layer.macs_before:,}</td>'
        f'<td class="number">{layer.macs_after:,}</td><td>{_bars(layer, largest)}</td>'
        f'<td class="number">{error}</td></tr>\n'
    )


def _bars(layer: LayerReport, largest: int) -> str:
    before, after = (BAR_WIDTH * macs / max(largest, 1) for macs in (layer.macs_before, layer.macs_after))
    return (
        f'<svg width="{BAR_WIDTH}" height="{2 * BAR_HEIGHT}" role="img">'
        f'<rect class="before" width="{before:.1f}" height="{BAR_HEIGHT}"/>'
        f'<rect class="after" y="{BAR_HEIGHT}" width="{after:.1f}" height="{BAR_HEIGHT}"/></svg>'
    )


def _bar_legend() -> str:
    square = (
        f'<svg width="{BAR_HEIGHT}" height="{BAR_HEIGHT}"><rect class="{{}}" width="9" height="9"/></svg>'
    )
    return f"{square.format('before')} before, {square.format('after')} after"


def _facts(document: Mapping[str, Any]) -> str:
    facts = {key: value for key, value in document.items() if key != "layers"}
    return "".join(
        f"<tr><th>{html.escape(k)}</th><td>{html.escape(_text(v))}</td></tr>" for k, v in facts.items()
    )


def _text(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)
