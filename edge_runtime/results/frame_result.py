"""A finished frame: what the network saw in it, and how long each part took.

Importing this loads neither OpenCV nor an engine: outputs and other programs may hold results without either.
"""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_runtime.base.errors import one_line
from edge_runtime.frames.base import Frame
from edge_runtime.postprocess.base import Prediction, Result

NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


@dataclass(frozen=True)
class FrameResult:
    """A finished frame.

    Attributes:
        frame: The picture, and when and where it was taken.
        result: What the network saw in it.
        finished_ns: When the result was there, on the clock of ``time.monotonic_ns``.
        age_ms: From the capture of the frame to its result.
        latency_ms: From taking the frame up to its result: the three parts below.
        preprocess_ms: Frame to tensor.
        inference_ms: Tensor to outputs.
        postprocess_ms: Outputs to result.
        dropped: How many frames of the source were overtaken by newer ones so far.
    """

    frame: Frame
    result: Result
    finished_ns: int
    age_ms: float
    latency_ms: float
    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float
    dropped: int

    def best(self) -> Prediction | None:
        """What the network is surest of; None where it saw nothing, or knows no classes."""
        return self.result.best()

    def words(self) -> str:
        """The frame's name or number, and what the network saw in it, in one line for people."""
        # The name is that of a file, which may hold anything, and this line goes to terminals and logs.
        name = one_line(self.frame.name) or f"frame {self.frame.sequence}"
        return f"{name}: {self.result.words()}"

    def to_document(self) -> dict[str, Any]:
        """What ``--jsonl`` writes of a frame: keys may be added in later releases, but none changes.

        ``frame`` number at its source, from 0; ``name`` of its file and ``truth`` where known, else None;
        ``time``: seconds since 1970 at capture; ``age_ms``, ``latency_ms``, ``preprocess_ms``,
        ``inference_ms``, ``postprocess_ms`` and ``dropped``, as the attributes of these names; then the
        result's own keys, of which ``valid`` is always there.
        """
        return {
            "frame": self.frame.sequence,
            "name": self.frame.name or None,
            "truth": self.frame.label,
            # Captures are counted on a clock that never steps; only here do they become a date.
            "time": round(time.time() - (time.monotonic_ns() - self.frame.captured_ns) / 1e9, 3),
            "age_ms": round(self.age_ms, 3),
            "latency_ms": round(self.latency_ms, 3),
            "preprocess_ms": round(self.preprocess_ms, 3),
            "inference_ms": round(self.inference_ms, 3),
            "postprocess_ms": round(self.postprocess_ms, 3),
            "dropped": self.dropped,
            **self.result.to_document(),
        }

    def without_image(self) -> "FrameResult":
        """A copy without the picture, which takes a megabyte where the rest takes a kilobyte."""
        return replace(self, frame=replace(self.frame, image=NO_IMAGE))
