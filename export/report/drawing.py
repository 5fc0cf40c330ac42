"""How figures are drawn: by matplotlib, as SVG that takes its colours and letters from the page around it.

matplotlib is loaded when the first figure is drawn. Text stays text, so that it can be searched and enlarged.
Colours are drawn as marks that stand for the page's own, so that one drawing serves dark and light.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_INCHES = 4.2  # on a phone of 390 pixels letters are then as large as they are drawn
#: Colours that are never seen: each becomes a colour of the page.
INK, MUTED, GRID, BEFORE, AFTER = "#010101", "#020202", "#030303", "#040404", "#050505"
NAMES = {INK: "ink", MUTED: "muted", GRID: "grid", BEFORE: "before", AFTER: "after"}
STYLE: Any = {  # matplotlib declares each key by its name
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.parse_math": False,  # names of layers may hold dollars
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


class Drawing:
    """A figure under way.

    Attributes:
        figure: matplotlib's.
        svg: The finished drawing, once the context is left.
    """

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure
        self.svg = ""


@contextmanager
def drawing(name: str, height_inches: float) -> Iterator[Drawing]:
    """A figure to draw into; when the context is left it is SVG.

    Args:
        name: In letters, one of its own on the page: identifiers begin with it.
        height_inches: Its height; the width is the same for all.
    """
    import matplotlib as mpl  # noqa: PLC0415  loads slowly
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        begun = Drawing(Figure((WIDTH_INCHES, height_inches), layout="constrained"))
        yield begun
        written = io.StringIO()
        begun.figure.savefig(written, format="svg", metadata={"Date": None})
    begun.svg = _for_a_page(written.getvalue(), name)


def safe(name: str, longest: int = 18) -> str:
    """A name as a figure can show it: short, its end kept, in letters that every font has."""
    plain = "".join(
        character if character.isascii() and character.isprintable() else "?" for character in name
    )
    return plain if len(plain) <= longest else f"...{plain[3 - longest :]}"


def _for_a_page(svg: str, name: str) -> str:
    """The drawing alone: no declarations, fonts or styles, and identifiers that nobody else has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<g) id="[^"]*"', r"\1", svg)
    svg = re.sub(r" font-family: [^;]*;", "", svg).replace("xlink:href", "href")
    for before, after in (
        ('id="', f'id="{name}-'),
        ('href="#', f'href="#{name}-'),
        ("url(#", f"url(#{name}-"),
    ):
        svg = svg.replace(before, after)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', svg, count=1
    )
    for colour, word in NAMES.items():
        svg = svg.replace(colour, f"var(--{word})")
    return re.sub(r"\s*\n\s*", " ", svg)
