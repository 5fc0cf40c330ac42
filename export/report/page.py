"""A report as one HTML page that stands alone: no scripts, and no fonts, pictures or styles from elsewhere.

All texts are escaped, for documents may come from anywhere.
"""

import html
from collections.abc import Iterator

from export.report.parts import Figure, Picture, Report, Section, Table

#: Colours by day and by night; letters have a contrast of 4.5 at least with what is behind them, lines of 3.
LIGHT = {
    "paper": "#ffffff", "ink": "#1b1f24", "muted": "#59636e", "grid": "#e3e6ea", "before": "#7d8794",
    "after": "#0a5cad", "stripe": "#f5f7f9",
}  # fmt: skip
DARK = {
    "paper": "#14181d", "ink": "#e6edf3", "muted": "#9aa4af", "grid": "#2d343c", "before": "#8b949e",
    "after": "#58a6ff", "stripe": "#1b2027",
}  # fmt: skip
STYLE = """
:root { color-scheme: light dark; LIGHT }
@media (prefers-color-scheme: dark) { @media screen { :root { DARK } } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 80rem;
  margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.2 } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem }
p { margin: .4rem 0; max-width: 46rem }
.scroll { overflow-x: auto; margin: .8rem 0 } .scroll:focus-visible { outline: 2px solid var(--after) }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums }
caption { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--grid); text-align: left; vertical-align: top;
  overflow-wrap: normal }
td.long { min-width: 9rem; overflow-wrap: anywhere } thead th { color: var(--muted); font-weight: 600 }
tbody th { font-weight: 600 } tbody tr:nth-child(even) { background: var(--stripe) }
.number { text-align: right; white-space: nowrap }
@media (max-width: 34rem) { th, td { padding: .25rem .3rem } table { font-size: .85rem } }
@media (min-width: 62rem) { main { display: grid; grid-template-columns: 1fr 1fr; column-gap: 3rem }
  h1, .wide { grid-column: 1 / -1 } }
section { min-width: 0 }
.headline td, .headline th { white-space: normal } .headline td:last-child { font-weight: 600 }
figure { margin: .8rem 0; max-width: 36rem } figcaption { color: var(--muted); font-size: .92rem }
figure svg { display: block; width: 100%; height: auto; font-family: system-ui, sans-serif;
  stroke-linejoin: round; stroke-linecap: butt }
summary { cursor: pointer; color: var(--after); font-size: .92rem; padding: .3rem 0 }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 1rem;
  padding: 0; list-style: none } .pictures img { display: block; max-width: 100%; height: auto }
.pictures span { display: block; font-size: .92rem } .name { color: var(--muted) }
@media print { body { font-size: 11px; max-width: none } .scroll { overflow: visible }
  figure, tr, li { break-inside: avoid } details { display: none } }
"""
LONG = 24  # characters, from which a cell may be broken


def page(report: Report) -> str:
    """The HTML page of a report."""
    title = html.escape(report.title)
    style = STYLE.replace("LIGHT", _colours(LIGHT)).replace("DARK", _colours(DARK))
    body = "\n".join(_section(section, first=place == 0) for place, section in enumerate(report.sections))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body><main>
<h1>{title}</h1>
{body}
</main></body></html>
"""


def _colours(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in colours.items())


def _section(section: Section, *, first: bool) -> str:
    wide = ' class="wide"' if section.table or section.pictures or not section.figures else ""
    parts = [f"<section{wide}><h2>{html.escape(section.title)}</h2>"]
    parts += [f"<p>{html.escape(sentence)}</p>" for sentence in section.sentences]
    if section.table:
        parts.append(_table(section.table, "headline" if first else ""))
    parts += [part for figure in section.figures for part in _figure(figure)]
    if section.pictures:
        parts += ['<ul class="pictures">', *map(_picture, section.pictures), "</ul>"]
    return "\n".join([*parts, "</section>"])


def _table(table: Table, kind: str = "") -> str:
    label = html.escape(table.caption)
    head = "".join(
        f'<th scope="col"{_kind(table, column)}>{html.escape(name)}</th>'
        for column, name in enumerate(table.header)
    )
    rows = "\n".join(_row(table, row) for row in table.rows)
    # A region of its own, that can be reached by keyboard: wide tables scroll within it.
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table class="{kind}">'
        f"<caption>{label}</caption><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>"
    )


def _row(table: Table, row: tuple[str, ...]) -> str:
    first, *others = row
    cells = "".join(
        f"<td{_kind(table, column, text)}>{html.escape(text)}</td>"
        for column, text in enumerate(others, start=1)
    )
    return f'<tr><th scope="row">{html.escape(first)}</th>{cells}</tr>'


def _kind(table: Table, column: int, text: str = "") -> str:
    if column in table.numbers:
        return ' class="number"'
    return ' class="long"' if len(text) > LONG else ""


def _figure(figure: Figure) -> Iterator[str]:
    caption = html.escape(figure.caption)
    yield f'<figure><div role="img" aria-label="{caption}">{figure.draw()}</div>'
    yield f"<figcaption>{caption}</figcaption>"
    if figure.data:
        yield f"<details><summary>The figures behind it</summary>{_table(figure.data)}</details>"
    yield "</figure>"


def _picture(picture: Picture) -> str:
    name, before, after = map(html.escape, (picture.name, picture.before, picture.after))
    return (
        f'<li><img src="data:image/jpeg;base64,{html.escape(picture.jpeg)}" width="{picture.width}" '
        f'height="{picture.height}" alt="{name}"><span class="name">{name}</span>'
        f"<span>before: {before}</span><span>after: {after}</span></li>"
    )
