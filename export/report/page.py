"""The report of a reduction as one HTML page, made from its document alone.

So a page can be made again from a JSON file, wherever it came from: all texts in it are escaped. The page
stands alone: no scripts, fonts, pictures or styles from elsewhere.
"""

import html
from collections.abc import Mapping
from typing import Any

BAR_WIDTH = 320
BAR_HEIGHT = 9
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }
.number { text-align: right; font-variant-numeric: tabular-nums }
.before { fill: #c9ced6 } .after { fill: #2a6fb0 } .note { color: #666 }
"""

Document = Mapping[str, Any]


def reduction_page(document: Document) -> str:
    """The HTML page of a reduction, from what ``reduce --json`` writes.

    Args:
        document: As ``documents.reduction_document`` makes it, or as read back from its JSON.
    """
    layers = document["layers"]
    largest = max(layer["macs_before"] for layer in layers)
    rows = "".join(_row(layer, largest) for layer in layers)
    name = html.escape(str(document["source"]))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}, reduced</title><style>{STYLE}</style></head><body>
<h1>{name}, reduced</h1>
<p>{document["macs_ratio"]:.2f} times fewer multiply-adds, {document["params_ratio"]:.2f} times fewer weights;
fitted on {document["images"]} images in {document["seconds"]:.0f} s.{_not_counted(document)}</p>
{_agreement(document)}
<table><thead><tr><th>Layer</th><th>Method</th><th class="number">Rank</th>
<th class="number">MACs before</th><th class="number">after</th>
<th>{_bar_legend()}</th><th class="number">Error of the response</th></tr></thead>
<tbody>{rows}</tbody></table>
<p class="note">The error is the squared error of a layer's response on held-out images over its variance.</p>
<h2>How it was made</h2>
<table>{_facts(document)}</table>
</body></html>
"""


def _agreement(document: Document) -> str:
    """What was lost, with its confidence, and what to doubt of it."""
    agreement = document["agreement"]
    if agreement is None:
        return ""
    figure = (
        f"{agreement['percent']:.1f} % agreement with the original ({agreement['low_percent']:.1f} to "
        f"{agreement['high_percent']:.1f} with 95 % confidence): {agreement['rests_on']}, of images apart."
    )
    doubts = "".join(f"<li>{html.escape(doubt)}</li>" for doubt in document["doubts"])
    return f"<p>{html.escape(figure)}</p>\n" + (f"<ul>{doubts}</ul>" if doubts else "")


def _row(layer: Document, largest: int) -> str:
    method = layer["reason"] if layer["method"] is None else f"{layer['method']}, {layer['solver']}"
    error = "" if layer["relative_error"] is None else f"{layer['relative_error']:.4f}"
    before, after = layer["macs_before"], layer["macs_after"]
    return (
        f"<tr><td>{html.escape(layer['name'])}</td><td>{html.escape(str(method))}</td>"
        f'<td class="number">{_rank(layer["rank"])}</td><td class="number">{before:,}</td>'
        f'<td class="number">{after:,}</td><td>{_bars(before, after, largest)}</td>'
        f'<td class="number">{error}</td></tr>\n'
    )


def _not_counted(document: Document) -> str:
    """What the multiply-adds leave out; pages of older documents do not know."""
    parts = (
        f"{html.escape(each['op_type'])} ({each['nodes']}), for {html.escape(each['reason'])}"
        for each in document.get("uncounted", ())
    )
    text = "; ".join(parts)
    return f" Not counted: {text}." if text else ""


def _rank(rank: int | list[int] | None) -> str:
    """The filters between the factors: one number, several, or none where the layer is as it was."""
    ranks = [rank] if isinstance(rank, int) else rank or []
    return " × ".join(map(str, ranks))


def _bars(before: int, after: int, largest: int) -> str:
    widths = [BAR_WIDTH * macs / max(largest, 1) for macs in (before, after)]
    return (
        f'<svg width="{BAR_WIDTH}" height="{2 * BAR_HEIGHT}" role="img">'
        f'<rect class="before" width="{widths[0]:.1f}" height="{BAR_HEIGHT}"/>'
        f'<rect class="after" y="{BAR_HEIGHT}" width="{widths[1]:.1f}" height="{BAR_HEIGHT}"/></svg>'
    )


def _bar_legend() -> str:
    square = (
        f'<svg width="{BAR_HEIGHT}" height="{BAR_HEIGHT}"><rect class="{{}}" width="9" height="9"/></svg>'
    )
    return f"{square.format('before')} before, {square.format('after')} after"


def _facts(document: Document) -> str:
    shown = ("layers", "uncounted", "agreement", "doubts")
    facts = {key: value for key, value in document.items() if key not in shown}
    return "".join(
        f"<tr><th>{html.escape(key)}</th><td>{html.escape(_text(value))}</td></tr>"
        for key, value in facts.items()
    )


def _text(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return ", ".join(f"{key} {each}" for key, each in value.items())
