"""``make demo``: reduce the demo's network, evaluate and benchmark both, and end with a table and a report.

Draws its images into ``build/demo``, then runs the same commands a user would type, and shows them.
"""

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_runtime.frames.demo import draw_scene
from edge_runtime.model import demo as demo_model

FOLDER = Path("build") / "demo"
REPORT = FOLDER / "report"
# Seeds 1 and 2 trained and evaluated the network, in ``train``: neither calibration nor test shall know them.
CALIBRATION_SEED, TEST_SEED = 3, 4
CALIBRATION_SCENES, TEST_SCENES = 300, 2000
SIZE = (64, 64)
SPEEDUP = 3
BENCH_SECONDS = 2
LIVE_FRAMES = 60

_PROGRAMS = {"pi-export": "export.cli", "pi-infer": "edge_runtime.cli"}


@dataclass(frozen=True)
class Row:
    """One network in the final table.

    Attributes:
        name: What to call it.
        top1_percent: Right answers on the test scenes.
        size_mib: Its file.
        p50_ms: Median latency of one inference.
        fps: Inferences per second.
        peak_rss_mib: Memory of a process that runs it, at its peak.
        model_rss_mib: The part of it due to the network.
    """

    name: str
    top1_percent: float
    size_mib: float
    p50_ms: float
    fps: float
    peak_rss_mib: float
    model_rss_mib: float


def main() -> int:
    """Run the demo.

    Returns:
        The exit code: 0, or that of the first command that failed.
    """
    base, reduced = demo_model.path(), FOLDER / "reduced.onnx"
    shutil.rmtree(FOLDER, ignore_errors=True)
    _say(
        f"Drawing {CALIBRATION_SCENES} calibration scenes and {TEST_SCENES} labelled test scenes in {FOLDER}"
    )
    draw_folder(FOLDER / "calibration", CALIBRATION_SEED, CALIBRATION_SCENES, labelled=False)
    draw_folder(FOLDER / "test", TEST_SEED, TEST_SCENES, labelled=True)
    for command in commands(base, reduced):
        code = _run(command)
        if code != 0:
            return code
    _say(f"\n{table(rows(base, reduced))}")
    if not _document("bench.json")["valid"]:
        _say("Other programs disturbed the benchmark (see the warnings above): its figures are doubtful.")
    _say(f"Reduced network: {reduced}")
    _say(f"The report, with plots: open {(REPORT / 'report.html').resolve().as_uri()} in a browser")
    return 0


def draw_folder(folder: Path, seed: int, count: int, *, labelled: bool) -> None:
    """Write drawn scenes as PNG files.

    Args:
        folder: Where to; made if missing.
        seed: Which series of scenes.
        count: How many.
        labelled: Put them into one subfolder for each class.
    """
    for index in range(count):
        scene = draw_scene(np.random.default_rng((seed, index)), SIZE)
        place = folder / scene.label if labelled else folder
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{index:05d}.png"), scene.image)


def commands(base: Path, reduced: Path) -> list[list[str]]:
    """The command lines that make up the demo."""
    model, output = str(base), str(reduced)
    calibration, test = str(FOLDER / "calibration"), str(FOLDER / "test")
    return [
        ["pi-export", "reduce", model, "--images", calibration, "-o", output, "--speedup", str(SPEEDUP),
         "--report", str(REPORT), "--json", str(FOLDER / "reduce.json")],
        ["pi-export", "evaluate", model, output, "--images", test, "--json", str(FOLDER / "evaluate.json"),
         "--report", str(FOLDER / "evaluation")],
        ["pi-infer", "bench", output, "--baseline", model, "--seconds", str(BENCH_SECONDS), "--threads", "1",
         "--json", str(FOLDER / "bench.json")],
        ["pi-export", "report", str(REPORT / "report.json"),
         str(FOLDER / "evaluation" / "report.json"), str(FOLDER / "bench.json"), "-o", str(REPORT)],
        ["pi-infer", "--source", "demo", "--model", output, "--frames", str(LIVE_FRAMES),
         "--jsonl", str(FOLDER / "live.jsonl")],
    ]  # fmt: skip


def rows(base: Path, reduced: Path) -> tuple[Row, Row]:
    """What the commands measured, from the JSON files they left."""
    accuracies = _models("evaluate.json")
    measured = _models("bench.json")
    return (
        _row("baseline", base, _of(base, accuracies, "model"), _of(base, measured, "path")),
        _row("reduced", reduced, _of(reduced, accuracies, "model"), _of(reduced, measured, "path")),
    )


def table(both: tuple[Row, Row]) -> str:
    """Both networks and the ratio between them, for a terminal."""
    base, reduced = both
    lines: list[tuple[str, ...]] = [("", "top-1", "size", "p50", "FPS", "RAM", "of the model")]
    lines += [_cells(row) for row in both]
    lines.append(
        (
            "ratio",
            f"{reduced.top1_percent - base.top1_percent:+.2f} pt",
            _less(base.size_mib, reduced.size_mib),
            _less(base.p50_ms, reduced.p50_ms),
            f"{reduced.fps / base.fps:.2f}x more",
            _less(base.peak_rss_mib, reduced.peak_rss_mib),
            _less(base.model_rss_mib, reduced.model_rss_mib),
        )
    )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_aligned(cells, widths) for cells in lines)


def _less(before: float, after: float) -> str:
    return f"{before / after:.2f}x less" if after > 0 else "n/a"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.top1_percent:.2f} %",
        f"{row.size_mib:.2f} MiB",
        f"{row.p50_ms:.2f} ms",
        f"{row.fps:.1f}",
        f"{row.peak_rss_mib:.1f} MiB",
        f"{row.model_rss_mib:.1f} MiB",
    )


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *others = cells
    figures = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
    return "   ".join([first.ljust(widths[0]), *figures])


def _row(name: str, path: Path, accuracy: dict[str, Any], measured: dict[str, Any]) -> Row:
    return Row(
        name=name,
        top1_percent=accuracy["top1_percent"],
        size_mib=path.stat().st_size / 2**20,
        p50_ms=measured["latency_ms"]["p50"],
        fps=measured["fps"],
        peak_rss_mib=measured["peak_rss_mib"],
        model_rss_mib=measured["model_rss_mib"],
    )


def _models(name: str) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = _document(name)["models"]
    return models


def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return document


def _of(path: Path, models: list[dict[str, Any]], key: str) -> dict[str, Any]:
    return next(model for model in models if model[key] == str(path))


def _run(command: list[str]) -> int:
    """Show a command and run it with this interpreter, in this terminal."""
    _say(f"\n$ {shlex.join(command)}")
    program, *arguments = command
    return subprocess.run([sys.executable, "-m", _PROGRAMS[program], *arguments], check=False).returncode


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
