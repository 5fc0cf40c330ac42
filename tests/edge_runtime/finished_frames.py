"""Finished frames for the tests of outputs."""

import socket
import time
from typing import Any

import numpy as np

from edge_runtime.frames.base import Frame
from edge_runtime.machine.board import Condition
from edge_runtime.postprocess.base import Prediction, Result
from edge_runtime.postprocess.classify import Classification
from edge_runtime.postprocess.detections import Detections
from edge_runtime.results.frame_result import FrameResult
from edge_runtime.results.status import ConditionWatch, StatusSource
from edge_runtime.results.summary import RunSummary

HOT_PI = Condition(temperature_c=71.5, governor="ondemand", frequency_mhz=1500.0, throttled_bits=0x50001)


def classified(*names: str) -> Classification:
    return Classification(tuple(Prediction(i, name, 0.9 / (i + 1)) for i, name in enumerate(names)))


def detected(*boxes: tuple[float, float, float, float], label: str = "person") -> Detections:
    count = len(boxes)
    return Detections(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.full(count, 0.8, np.float32),
        np.arange(count),
        (label,) * count,
    )


def finished(
    number: int = 0, result: Result | None = None, *, image: Any = None, grey: int = 128
) -> FrameResult:
    now_ns = time.monotonic_ns()
    picture = np.full((48, 64, 3), grey, np.uint8) if image is None else image
    return FrameResult(
        frame=Frame(picture, number, now_ns - 20_000_000),
        result=classified("circle", "square") if result is None else result,
        finished_ns=now_ns,
        age_ms=20.0,
        latency_ms=12.5,
        preprocess_ms=0.5,
        inference_ms=11.0,
        postprocess_ms=1.0,
        dropped=number // 10,
    )


def status_source(
    *results: FrameResult, condition: Condition = HOT_PI, model: str = "tiny.onnx"
) -> StatusSource:
    summary = RunSummary(frozenset())
    for result in results:
        summary.add(result)
    return StatusSource(model, summary, ConditionWatch(lambda: condition))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
