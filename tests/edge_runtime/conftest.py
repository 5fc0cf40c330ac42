"""Small real networks whose outputs are chosen by the test, and pi-infer as a child process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

SIZE = (24, 32)
CARD = {"task": "classify", "labels": ["circle", "square", "Dreieck \N{LATIN SMALL LETTER A WITH DIAERESIS}"]}

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakeNetwork = Callable[..., Path]


@pytest.fixture
def make_network(tmp_path: Path) -> MakeNetwork:
    """Write a network that gives ``scores`` for any frame, and its card beside it."""

    def make(scores: Sequence[float] = (0.1, 0.7, 0.2), *, card: dict[str, object] | None = None) -> Path:
        path = tmp_path / "tiny.onnx"
        weights = np.zeros((3, len(scores)), np.float32)
        graph = helper.make_graph(
            [
                helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
                helper.make_node("Flatten", ["mean"], ["flat"]),
                helper.make_node("Gemm", ["flat", "weights", "bias"], ["scores"]),
            ],
            "tiny",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *SIZE])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, len(scores)])],
            [
                numpy_helper.from_array(weights, "weights"),
                numpy_helper.from_array(np.asarray(scores, np.float32), "bias"),
            ],
        )
        opset = [helper.make_opsetid("", 13)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        document = {"input": {"size": SIZE}, **(CARD if card is None else card)}
        path.with_suffix(".json").write_text(json.dumps(document))
        return path

    return make


@pytest.fixture
def pi_infer(tmp_path: Path) -> Run:
    """Run ``pi-infer`` in a process of its own, as a user does."""

    def run(*arguments: object, **options: object) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, **options.pop("env", {})}  # type: ignore[dict-item]
        command = [sys.executable, "-m", "edge_runtime.cli", *map(str, arguments)]
        settings = {"capture_output": True, "text": True, "timeout": 60, "cwd": tmp_path, **options}
        return subprocess.run(command, env=environment, check=False, **settings)  # type: ignore[call-overload, no-any-return]

    return run


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Twelve frames at 20 a second, each of one grey that rises with its number."""
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (64, 48))
    for number in range(12):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two good pictures in folders named after their class, and one broken."""
    root = tmp_path / "pictures"
    for name, grey in (("circle/1.png", 10), ("square/2.png", 200)):
        (root / name).parent.mkdir(parents=True)
        cv2.imwrite(str(root / name), np.full((40, 50, 3), grey, np.uint8))
    (root / "square" / "broken.png").write_bytes(b"not a picture")
    return root
