"""Detections and folders of labelled images, for the tests of those that count them."""

from pathlib import Path

import cv2
import numpy as np

from edge_runtime.postprocess.detections import Detections

BOX, SAME, OTHER = [0.0, 0, 10, 10], [0.0, 0, 10, 9], [50.0, 50, 60, 60]


def detections(boxes: list[list[float]], classes: list[int]) -> Detections:
    """The detections of one image, best first."""
    scores = np.linspace(0.9, 0.5, len(classes), dtype=np.float32)
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(corners, scores, np.array(classes, np.intp), ("",) * len(classes))


def box_folder(root: Path, labels: str) -> Path:
    """A folder of one image, 40 pixels high and 80 wide, and its labels."""
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    cv2.imwrite(str(root / "images" / "a.png"), np.full((40, 80, 3), 127, np.uint8))
    (root / "labels" / "a.txt").write_text(labels)
    return root
