"""How long detection heads take to decode: ``python tests/benchmarks/postprocess_time.py``.

Made-up outputs of the size a YOLOv5 network gives at 320x320 (6,300 x 85), and of the other heads: a usual
scene with 20 objects of 12 overlapping proposals each, and the worst one, where every row scores high. Wall
time is what a frame waits; processor time is steadier where other programs run.
"""

import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.image import Placement
from edge_runtime.postprocess.detections import Detector, make_detector

ROWS, CLASSES, SIDE = 6300, 80, 320
OBJECTS, PROPOSALS = 20, 12
ROUNDS, WARM_UP = 300, 20
PLACEMENT = Placement(0.5, 0.5, 0, 40)
FRAME = (480, 640)
SSD_DECODER = {
    "kind": "ssd",
    "feature_maps": [[33, 33], [17, 17], [9, 9], [5, 5], [3, 3]],
    "anchor_sizes": [[0.04, 0.056], [0.08, 0.11], [0.16, 0.22], [0.32, 0.45], [0.64, 0.72]],
    "anchor_ratios": [[1, 0.62, 0.42]] * 5,
    "variances": [0.1, 0.1, 0.2, 0.2],
}


def usual_rows(generator: np.random.Generator) -> NDArray[np.float32]:
    """(ROWS, 85) as YOLOv5: low scores everywhere but on the proposals of some objects."""
    rows = generator.random((ROWS, 5 + CLASSES), np.float32) * 0.05
    rows[:, :4] = generator.random((ROWS, 4)) * SIDE
    for start in generator.permutation(ROWS // PROPOSALS)[:OBJECTS] * PROPOSALS:
        proposals = slice(start, start + PROPOSALS)  # neighbours, so that SSD's anchors overlap too
        box = np.array([*generator.uniform(60, 260, 2), *generator.uniform(30, 120, 2)])
        rows[proposals, :4] = box + generator.normal(0, 2, (PROPOSALS, 4))
        rows[proposals, 4] = generator.uniform(0.6, 1, PROPOSALS)
        rows[proposals, 5 + generator.integers(CLASSES)] = generator.uniform(0.6, 1, PROPOSALS)
    return rows


def worst_rows(generator: np.random.Generator) -> NDArray[np.float32]:
    """(ROWS, 85) as YOLOv5: everything scores high, small boxes everywhere."""
    rows = generator.uniform(0.6, 1, (ROWS, 5 + CLASSES)).astype(np.float32)
    rows[:, :2] = generator.random((ROWS, 2)) * SIDE
    rows[:, 2:4] = 4
    return rows


def cases() -> Iterator[tuple[str, Detector, list[NDArray[np.float32]]]]:
    """Each head on a usual and on the worst frame."""
    generator = np.random.default_rng(0)
    for kind, rows in (("usual", usual_rows(generator)), ("worst", worst_rows(generator))):
        scores = rows[:, 5:] * rows[:, 4:5]
        columns = np.ascontiguousarray(np.concatenate([rows[:, :4], scores], axis=1).T)
        yield f"yolov5 {ROWS}x{5 + CLASSES} {kind}", detector("yolov5"), [rows[None]]
        yield f"yolov8 {4 + CLASSES}x{ROWS} {kind}", detector("yolov8"), [columns[None]]
        offsets = generator.normal(0, 1, (1, 5972, 4)).astype(np.float32)
        halves = scores[:5972].reshape(-1, 2, CLASSES // 2).max(axis=2)
        yield f"ssd 5972x2 {kind}", detector("ssd"), [offsets, halves[None]]


def detector(kind: str) -> Detector:
    """A detector as a card describes it."""
    decoder = SSD_DECODER if kind == "ssd" else {"kind": kind}
    return make_detector(ModelCard(InputSpec((SIDE, SIDE)), "detect", decoder=decoder))


def times_ms(call: Callable[[], object]) -> NDArray[np.float64]:
    """(ROUNDS, 2) wall and processor time of each call after the warm-up."""
    durations = []
    for _ in range(WARM_UP + ROUNDS):
        start = time.perf_counter_ns(), time.process_time_ns()
        call()
        durations.append((time.perf_counter_ns() - start[0], time.process_time_ns() - start[1]))
    return np.array(durations[WARM_UP:]) / 1e6


def main() -> None:
    """Print a line for each head and scene."""
    write = sys.stdout.write
    write(f"{'head':28} {'found':>5} {'p50 ms':>8} {'p90 ms':>8} {'p50 processor ms':>17}\n")
    for name, decode, outputs in cases():
        found = len(decode(outputs, PLACEMENT, FRAME))
        measured = times_ms(lambda decode=decode, outputs=outputs: decode(outputs, PLACEMENT, FRAME))
        (p50, processor), (p90, _) = np.percentile(measured, (50, 90), axis=0)
        write(f"{name:28} {found:5} {p50:8.3f} {p90:8.3f} {processor:17.3f}\n")


if __name__ == "__main__":
    main()
