"""Draws the picture of the README, ``docs/demo.svg``, from what ``make demo`` left."""

import json
from pathlib import Path

from export.report.page import DARK, LIGHT
from export.report.plots import paired_bars

REPORT = Path("build/demo/report/report.json")
PICTURE = Path("docs/demo.svg")
MILLION = 1e6


def main() -> None:
    document = json.loads(REPORT.read_text(encoding="utf-8"))
    rows = [
        (layer["name"], layer["macs_before"] / MILLION, layer["macs_after"] / MILLION)
        for layer in document["layers"]
    ]
    day, night = (" ".join(f"--{name}: {value};" for name, value in each.items()) for each in (LIGHT, DARK))
    style = (
        f"<style>svg {{ {day} font-family: sans-serif; background: var(--paper) }} "
        f"@media (prefers-color-scheme: dark) {{ svg {{ {night} }} }}</style>"
    )
    head, _, drawing = paired_bars("demo", rows, "multiply-adds [millions]").partition(">")
    head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg" width="560"')
    PICTURE.write_text(f"{head}>{style}{drawing}\n", encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
