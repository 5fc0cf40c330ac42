from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.postprocess.base import Result
from edge_runtime.postprocess.classify import Classification
from edge_runtime.postprocess.raw import RawOutputs
from edge_runtime.results.frame_result import FrameResult
from edge_runtime.results.summary import RunSummary
from tests.edge_runtime.finished_frames import classified, detected, finished

RAW = RawOutputs((np.zeros(3, np.float32),), valid=True)
BOX = (0.0, 0.0, 9.0, 9.0)


def seen(result: Result, truth: str | None) -> FrameResult:
    found = finished(result=result)
    return replace(found, frame=replace(found.frame, label=truth))


def totals(names: set[str], *frames: FrameResult) -> str:
    summary = RunSummary(frozenset(names))
    for frame_result in frames:
        summary.add(frame_result)
    return summary.totals()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (classified("circle", "square"), classified("square", "circle")),
        (detected(BOX, label="circle"), detected(BOX, label="square")),
        (detected(BOX, label="circle"), detected()),
        (classified("circle"), Classification((), valid=False)),
    ],
)
def test_a_labelled_frame_is_right_where_its_best_prediction_is(right: Result, wrong: Result) -> None:
    found = totals({"circle", "square"}, seen(right, "circle"), seen(right, "circle"), seen(wrong, "circle"))
    assert found.endswith(", 66.7 % of 3 labelled frames right")


@pytest.mark.parametrize(
    ("names", "result", "truth"),
    [
        ({"circle"}, classified("circle"), None),
        ({"circle"}, classified("circle"), "holiday"),  # a folder that is named after something else
        (set(), RAW, "circle"),
    ],
)
def test_accuracy_is_not_told_where_it_is_not_known(
    names: set[str], result: Result, truth: str | None
) -> None:
    assert "labelled" not in totals(names, seen(result, truth))


def test_frames_with_unusable_outputs_are_counted() -> None:
    assert ", 1 frames with NaN or infinite outputs" in totals(
        set(), seen(Classification((), valid=False), None)
    )


def test_a_line_tells_the_newest_frame_and_the_pace() -> None:
    summary = RunSummary(frozenset())
    assert summary.line() == "no frame yet"
    summary.add(finished(7))
    assert summary.line() == "frame 7: circle 90.0 % | p50 12.5 ms, age 20 ms"
