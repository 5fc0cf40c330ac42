import math
import time
from dataclasses import replace

from edge_runtime.results.frame_result import FrameResult
from tests.edge_runtime.finished_frames import classified, detected, finished


def named(found: FrameResult, name: str) -> FrameResult:
    return replace(found, frame=replace(found.frame, name=name))


def test_the_documented_keys_of_a_frame_in_their_order() -> None:
    document = named(finished(30), "a/1.png").to_document()
    assert list(document) == [
        "frame", "name", "truth", "time", "age_ms", "latency_ms", "preprocess_ms", "inference_ms",
        "postprocess_ms", "dropped", "valid", "labels",
    ]  # fmt: skip
    assert (document["frame"], document["name"], document["truth"]) == (30, "a/1.png", None)
    assert (document["latency_ms"], document["dropped"]) == (12.5, 3)
    assert math.isclose(document["time"], time.time(), abs_tol=60)


def test_a_frame_is_named_by_its_file_or_its_number() -> None:
    assert named(finished(7), "a/1.png").words() == "a/1.png: circle 90.0 %"
    assert finished(7, detected()).words() == "frame 7: nothing found"


def test_a_file_name_drives_no_terminal() -> None:
    assert named(finished(), "a\x1b[31m\n.png").words() == "a [31m .png: circle 90.0 %"


def test_the_best_is_the_results() -> None:
    best = finished(result=classified("square", "circle")).best()
    assert best is not None
    assert best.label == "square"


def test_without_its_picture_a_frame_keeps_all_else() -> None:
    found = finished()
    bare = found.without_image()
    assert bare.frame.image.nbytes == 0
    assert replace(bare, frame=found.frame) == found
