"""A finished frame: what the network saw in it, and how long each part took."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_runtime.frames.base import Frame
from edge_runtime.postprocess.base import Result

NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


@dataclass(frozen=True)
class FrameResult:
    """A finished frame.

    Attributes:
        frame: The frame itself.
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

    def to_json(self) -> dict[str, Any]:
        """One JSON object for ``--jsonl``: keys may be added in later releases, but none changes.

        ``frame`` number at its source, from 0; ``name`` of its file and ``truth`` where known, else null;
        ``time``: seconds since 1970 at capture; the times and ``dropped`` as above; then the result's own
        keys, of which ``valid`` is always there.
        """
        return {
            "frame": self.frame.sequence,
            "name": self.frame.name or None,
            "truth": self.frame.label,
            "time": round(time.time() - (time.monotonic_ns() - self.frame.captured_ns) / 1e9, 3),
            "age_ms": round(self.age_ms, 3),
            "latency_ms": round(self.latency_ms, 3),
            "preprocess_ms": round(self.preprocess_ms, 3),
            "inference_ms": round(self.inference_ms, 3),
            "postprocess_ms": round(self.postprocess_ms, 3),
            "dropped": self.dropped,
            **self.result.to_json(),
        }

    def without_image(self) -> "FrameResult":
        """The same for who keeps many: a picture takes a megabyte, its result a kilobyte."""
        return replace(self, frame=replace(self.frame, image=NO_IMAGE))
