"""Which detection head outputs of these shapes are likely to come from."""

from collections.abc import Sequence

MOST_SUPPRESSED = 1000  # rows that a network's own suppression leaves: 300 by default; a YOLO has thousands


def likely_kind(shapes: Sequence[tuple[int, ...]]) -> str | None:
    """The kind of a card's decoder that would read such outputs; None where none would.

    Args:
        shapes: Of all outputs, for one image.
    """
    if not shapes or len(shapes[0]) != 3 or shapes[0][0] != 1 or any(len(shape) == 4 for shape in shapes):
        return None  # an output of four dimensions beside the boxes holds masks
    _, rows, columns = shapes[0]
    if len(shapes) == 2 and columns == 4 and len(shapes[1]) == 3 and shapes[1][:2] == (1, rows):
        return "ssd"
    if columns == 6 and rows <= MOST_SUPPRESSED:
        return "yolo_nms"
    if 5 <= rows < columns:
        return "yolov8"
    return "yolov5" if 6 <= columns < rows else None
