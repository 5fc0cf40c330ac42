import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edge_runtime.postprocess.base import Result
from edge_runtime.postprocess.classify import Classification
from edge_runtime.postprocess.raw import RawOutputs
from edge_runtime.results.picture import COLOURS, drawn
from tests.edge_runtime.finished_frames import classified, detected, finished


def grey(height: int, width: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.full((height, width, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("size", "shown"), [((30, 30), (480, 480)), ((480, 640), (480, 640)), ((1080, 1920), (540, 960))]
)
def test_pictures_are_shown_in_a_readable_size(size: tuple[int, int], shown: tuple[int, int]) -> None:
    assert drawn(finished(image=grey(*size))).shape == (*shown, 3)


def test_the_frame_itself_stays_untouched() -> None:
    image = grey(480, 640)
    drawn(finished(image=image, result=detected((10, 10, 100, 100))))
    assert (image == 128).all()


def test_a_box_lies_where_it_was_found_also_in_a_scaled_picture() -> None:
    picture = drawn(finished(image=grey(60, 80), result=detected((20, 30, 60, 50))))
    for x, y in ((120, 200), (360, 260), (200, 300)):  # left, right and bottom side, six times as far
        assert tuple(picture[y, x]) == COLOURS[0]
    assert tuple(picture[220, 240]) == (128, 128, 128)


@pytest.mark.parametrize(
    "result", [classified("a"), Classification((), valid=False), detected((0, 0, 5, 5), label="Käse")]
)
def test_labels_and_troubles_are_written_into_the_picture(result: Result) -> None:
    assert (drawn(finished(result=result)) != 128).any()


def test_raw_outputs_leave_the_picture_as_it_is() -> None:
    assert (drawn(finished(result=RawOutputs((np.zeros(3, np.float32),), valid=True))) == 128).all()


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    box=st.tuples(*[st.floats(-1e6, 1e6)] * 4),
    label=st.text(max_size=300),
)
def test_no_box_and_no_label_breaks_it(
    size: tuple[int, int], box: tuple[float, float, float, float], label: str
) -> None:
    assert drawn(finished(image=grey(*size), result=detected(box, label=label))).ndim == 3
