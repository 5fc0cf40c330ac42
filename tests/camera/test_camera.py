"""picamera2 itself, from opening to closing, on a virtual camera that shows coloured bars."""

import json
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

pytestmark = pytest.mark.camera

# libcamera's test pattern, from left to right, as red, green, blue
BARS = [
    (255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0),
    (255, 0, 255), (255, 0, 0), (0, 0, 255), (0, 0, 0),
]  # fmt: skip
SIDE = 64


def seen(tree: Any, case: str, **virtual: int) -> dict[str, Any]:
    """What ``inside/watch.py`` reports."""
    done = tree.python("watch.py", case, **virtual)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def bar_reader(tree: Any, colour: str, resize: str = "warp") -> str:
    """A network whose outputs are the mean of each channel over each of 32 upright strips, four to a bar."""
    graph = helper.make_graph(
        [helper.make_node("AveragePool", ["image"], ["strips"], kernel_shape=[SIDE, 2], strides=[SIDE, 2])],
        "bars",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("strips", TensorProto.FLOAT, [1, 3, 1, 32])],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tree.scratch / "bars.onnx")
    card = {"input": {"size": [SIDE, SIDE], "colour": colour, "resize": resize}, "task": "raw"}
    tree.scratch.joinpath("bars.json").write_text(json.dumps(card))
    return "/scratch/bars.onnx"


@pytest.mark.parametrize(
    ("colour", "size", "padding"),
    [("RGB", (640, 480), 1), ("BGR", (640, 480), 64), ("RGB", (330, 250), 64), ("RGB", (1282, 722), 128)],
)
def test_a_colour_chart_comes_out_right_at_the_end(
    camera_tree: Any, colour: str, size: tuple[int, int], padding: int
) -> None:
    model = bar_reader(camera_tree, colour)
    done = camera_tree.python(
        "pi_infer.py",
        "--camera",
        "--model",
        model,
        "--frames",
        "5",
        "--jsonl",
        "-",
        size=size,
        padding=padding,
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == 5
    strips = np.array(records[-1]["outputs"][0]["values"]).reshape(3, 8, 4)
    inside = strips[:, :, 1:3].mean(axis=2).T  # the strips at the edges hold something of the next bar
    wanted = np.array(BARS)[:, :: 1 if colour == "RGB" else -1]
    assert np.abs(inside - wanted).max() < 4


def test_300_frames_without_a_loss_or_a_leak(camera_tree: Any) -> None:
    run = seen(camera_tree, "long_run", padding=64)
    sequences = run["sequences"]
    assert sequences == list(range(300)) or run["stalls"]  # of the whole machine: then frames are lost
    assert sequences == sorted(set(sequences))
    assert run["growth_mib"] < 1
    assert len(run["files"]) == 1
    assert 0 <= run["age_ms"] < 34


def test_what_a_slow_reader_missed_is_counted(camera_tree: Any) -> None:
    run = seen(camera_tree, "slow_reader")
    assert run["steps"] > 15
    assert run["steps"] == pytest.approx(run["seconds"] * 30, abs=1)


def test_a_camera_that_hangs_is_given_up_and_can_be_opened_again(camera_tree: Any) -> None:
    run = seen(camera_tree, "hang")
    assert "camera 0 delivered no frame for 1.13 s: check its cable" in run["error"]
    assert run["closing_s"] < 2
    assert run["works_again"]


def test_a_camera_that_disappears_is_given_up(camera_tree: Any) -> None:
    run = seen(camera_tree, "unplug")
    assert "camera 0 delivered no frame" in run["error"]
    assert run["works_again"]


def test_a_busy_camera_names_its_holder(camera_tree: Any) -> None:
    run = seen(camera_tree, "busy")
    assert "camera 0 cannot be opened" in run["error"]
    assert f"/dev/media0 is held by python (process {run['holder']})" in run["error"]
    assert run["works_still"]


def test_opening_and_closing_leaves_nothing_behind(camera_tree: Any) -> None:
    files = seen(camera_tree, "reopen")["files"]
    assert len(set(files[1:])) == 1


def test_the_command_ends_with_4_and_one_line_when_the_camera_stops(camera_tree: Any) -> None:
    model = bar_reader(camera_tree, "RGB", resize="letterbox")
    done = camera_tree.python("pi_infer.py", "--camera", "--model", model, stop_after=30)
    assert done.returncode == 4
    assert "frames, " in done.stdout.splitlines()[-1]
    (line,) = done.stderr.splitlines()
    assert line.startswith("pi-infer: error: camera 0 delivered no frame for 5.13 s")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--camera", "3"), "there is no camera 3 (1 found)"),
        (("--camera", "--gain", "2"), "--gain"),
        (("--camera", "--autofocus", "off"), "lens does not move"),
    ],
)
def test_what_the_camera_cannot_do_is_one_line(
    camera_tree: Any, arguments: tuple[str, ...], message: str
) -> None:
    done = camera_tree.python("pi_infer.py", *arguments, "--model", bar_reader(camera_tree, "RGB"))
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert message in line
