"""Boxes: suppression against the definition written as loops, and the exact way back to the frame."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from edge_runtime.model.card import InputSpec
from edge_runtime.model.image import Placement
from edge_runtime.model.preprocess import Preprocessor
from edge_runtime.postprocess.boxes import Floats, Indices, areas, corners, iou, nms, to_frame

SHAPES = st.tuples(st.integers(1, 400), st.integers(1, 400))


def boxes_of(count: int) -> st.SearchStrategy[Floats]:
    return hnp.arrays(np.float32, (count, 4), elements=st.integers(0, 12).map(float))


def overlap(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    union = area(a) + area(b) - common
    return common / union if union else 0.0


def area(box: list[float]) -> float:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def nms_by_definition(
    boxes: Floats, scores: Floats, classes: Indices, threshold: float, limit: int
) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        rivals = [k for k in kept if classes[k] == classes[index]]
        if all(overlap(boxes[k].tolist(), boxes[index].tolist()) <= threshold for k in rivals):
            kept.append(index)
    return kept[:limit]


@given(st.data())
def test_nms_is_its_definition(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 12))
    boxes = data.draw(boxes_of(count))
    scores = data.draw(hnp.arrays(np.float32, count, elements=st.sampled_from([0.25, 0.5, 0.75])))
    classes = data.draw(hnp.arrays(np.intp, count, elements=st.integers(0, 2)))
    # No quotient of such small whole areas is this: rounding cannot decide.
    threshold, limit = 0.44721, data.draw(st.integers(1, 12))
    kept = nms(boxes, scores, classes, threshold, limit)
    assert kept.tolist() == nms_by_definition(boxes, scores, classes, threshold, limit)


@given(boxes_of(5), boxes_of(4))
def test_iou_is_its_definition(first: Floats, second: Floats) -> None:
    expected = [[overlap(a, b) for b in second.tolist()] for a in first.tolist()]
    np.testing.assert_allclose(iou(first, second), expected, atol=1e-6)


def test_corners_and_areas() -> None:
    boxes = corners(np.array([[10, 20, 4, 6]], np.float32))
    assert boxes.tolist() == [[8, 17, 12, 23]]
    assert areas(boxes).tolist() == [24]
    assert areas(boxes[:, [2, 3, 0, 1]]).tolist() == [0]


@given(st.sampled_from(["warp", "letterbox", "crop"]), SHAPES, SHAPES, st.data())
def test_boxes_return_to_where_the_preprocessor_took_them_from(
    resize: str, shape: tuple[int, ...], size: tuple[int, int], data: st.DataObject
) -> None:
    height, width = shape
    placement = Preprocessor(InputSpec(size, resize)).placement(np.zeros((height, width, 3), np.uint8))
    box = data.draw(hnp.arrays(np.float64, (1, 4), elements=st.floats(0, 1))) * [width, height, width, height]
    scale = [placement.scale_x, placement.scale_y] * 2
    offset = [placement.offset_x, placement.offset_y] * 2
    in_input = (box * scale + offset).astype(np.float32)
    tolerance = 1e-3 / min(1, *scale)  # float32 of an input pixel
    np.testing.assert_allclose(to_frame(in_input, placement, (height, width)), box, atol=tolerance)


@pytest.mark.parametrize("resize", ["warp", "letterbox", "crop"])
@pytest.mark.parametrize("shape", [(427, 640), (640, 427), (100, 90), (333, 1001)])
def test_a_rectangle_found_in_the_network_input_is_where_it_was_drawn(
    resize: str, shape: tuple[int, ...]
) -> None:
    """Not only consistent with the placement: the pixels really are there."""
    height, width = shape
    frame = np.zeros((height, width, 3), np.uint8)
    drawn = [width // 2 - 20, height // 2 - 10, width // 2 + 30, height // 2 + 25]
    frame[drawn[1] : drawn[3], drawn[0] : drawn[2]] = 255
    preprocessor = Preprocessor(InputSpec((192, 256), resize, pad=0))
    ys, xs = np.nonzero(preprocessor(frame)[0, 0] > 127)
    found = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float32)
    placement = preprocessor.placement(frame)
    half_a_pixel = 0.51 * max(1, 1 / placement.scale_x, 1 / placement.scale_y) + 0.5
    np.testing.assert_allclose(to_frame(found, placement, shape), [drawn], atol=half_a_pixel)


@pytest.mark.parametrize("shape", [(427, 640), (1, 1000), (1000, 3)])
def test_the_letterbox_maps_the_edges_of_the_frame_to_whole_pixels(shape: tuple[int, ...]) -> None:
    placement = Preprocessor(InputSpec((320, 320), "letterbox")).placement(np.zeros((*shape, 3), np.uint8))
    for side, scale in ((shape[0], placement.scale_y), (shape[1], placement.scale_x)):
        assert side * scale == pytest.approx(round(side * scale), abs=1e-9)
        assert round(side * scale) >= 1


def test_boxes_are_clipped_to_the_frame() -> None:
    boxes = np.array([[-50, 30, 400, 500]], np.float32)
    assert to_frame(boxes, Placement(0.5, 0.5, 0, 40), (400, 640)).tolist() == [[0, 0, 640, 400]]
