"""Figures as SVG within a page: no colours, fonts or identifiers that would meet those of others."""

import re
import xml.etree.ElementTree as ET

import pytest

from export.report import plots
from export.report.drawing import safe

TRIED = [
    (2.0, plots.Interval("", 99.0, 95.0, 99.9, chosen=True)),
    (3.0, plots.Interval("", 90.0, 85.0, 94.0)),
]
DRAWN = {
    "cost": lambda: plots.accuracy_against_cost("cost", TRIED, [(1.5, 0.0), (4.0, 0.3)], "multiply-adds"),
    "bars": lambda: plots.paired_bars("bars", [("a $x$ <b>", 3.0, 1.0), ("b" * 40, 2.0, 2.0)], "ms"),
    "energy": lambda: plots.spectra("energy", [plots.Spectrum("conv", "channel", [1, 2], [0.5, 1.0], 2)] * 3),
    "build": lambda: plots.build_up("build", [0.0, 0.01, 0.02]),
    "intervals": lambda: plots.intervals("intervals", [TRIED[0][1], TRIED[1][1]], "top-1 [%]"),
    "latency": lambda: plots.latencies(
        "latency", [plots.Spread("n", 1.0, (2.0, 3.0, 4.0), [1.9, 2.1], True)]
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_is_sound_and_keeps_to_itself(name: str) -> None:
    svg = DRAWN[name]()
    assert DRAWN[name]() == svg
    root = ET.fromstring(svg)  # noqa: S314  our own
    assert root.get("viewBox")
    assert "<style" not in svg
    assert "font-family" not in svg
    assert "http" not in svg
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#000000"}
    names = re.findall(r'\bid="([^"]*)"', svg)
    assert len(names) == len(set(names))
    assert all(each.startswith(f"{name}-") for each in names)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', svg)) <= set(names)


def test_bars_are_as_long_as_their_costs() -> None:
    svg = plots.paired_bars("bars", [("one", 4.0, 1.0)], "ms")
    bars = re.findall(r'<path d="([^"]*)" clip-path="[^"]*" style="fill: var\(--(before|after)\)"', svg)
    places = {colour: [float(x) for x in re.findall(r"[ML] ([\d.]+) ", path)] for path, colour in bars}
    widths = {colour: max(each) - min(each) for colour, each in places.items()}
    assert widths["before"] / widths["after"] == pytest.approx(4, rel=1e-3)


def test_names_that_fonts_may_lack() -> None:
    assert safe("conv\N{SNOWMAN}\n") == "conv??"
    assert (
        safe("backbone/stage3/block2/conv1")
        == "...ge3/block2/conv1"[:3] + "backbone/stage3/block2/conv1"[-15:]
    )
