"""The values that tensors of a network take on calibration images: their ends, and how they lie between."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.engines.onnxruntime import open_bytes
from export.calibrate.inputs import KeptInputs
from export.network.topology import with_outputs
from export.progress import Progress, silent

BINS = 2048  # eight for each of the 256 levels
TASK = "collecting ranges"

Values = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class ActivationRange:
    """What was seen of one tensor over all images.

    Attributes:
        lowest: The least value.
        highest: The largest.
        counts: How many values lie in each of ``BINS`` equal parts between them.
    """

    lowest: float
    highest: float
    counts: NDArray[np.int64]

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of each part."""
        edges = np.linspace(self.lowest, self.highest, len(self.counts) + 1)
        return (edges[:-1] + edges[1:]) / 2


def activation_ranges(
    model: onnx.ModelProto,
    tensors: Collection[str],
    inputs: KeptInputs,
    *,
    threads: int,
    progress: Progress = silent,
) -> dict[str, ActivationRange]:
    """See which values some tensors take on images, in two passes: the ends, then what lies between.

    Args:
        model: The network.
        tensors: Names of the tensors; those that are not of float32 are left out.
        inputs: What to run it on.
        threads: Threads within one inference.
        progress: Told after each image of each pass.

    Raises:
        ModelRefusedError: The network cannot run, or computes NaN or infinite values.
    """
    names = sorted(tensors)
    session = open_bytes(with_outputs(model, names).SerializeToString(), threads)
    image = model.graph.input[0].name

    def passed(number: int) -> Iterator[Values]:
        for done, tensor in enumerate(inputs, start=1):
            values = dict(zip(names, session.run(names, {image: tensor}), strict=True))
            yield {name: value for name, value in values.items() if value.dtype == np.float32 and value.size}
            progress(TASK, number * len(inputs) + done, 2 * len(inputs))

    ends: dict[str, tuple[float, float]] = {}
    for values in passed(0):
        for name, value in values.items():
            low, high = float(value.min()), float(value.max())
            if not np.isfinite([low, high]).all():
                raise ModelRefusedError(f"the network computes NaN or infinite values at {name!r}")
            before = ends.get(name, (low, high))
            ends[name] = (min(low, before[0]), max(high, before[1]))
    counts = {name: np.zeros(BINS, np.int64) for name in ends}
    for values in passed(1):
        for name, value in values.items():
            # Parts of a narrow range, as of 1 and the next number to it, are told apart in float64 only.
            edges = np.array(_apart(*ends[name]), np.float64)
            counts[name] += np.histogram(value, BINS, (edges[0], edges[1]))[0]
    return {name: ActivationRange(*_apart(*ends[name]), counts[name]) for name in ends}


def _apart(lowest: float, highest: float) -> tuple[float, float]:
    """The ends of a range; those of a tensor that is the same everywhere are moved apart."""
    return (lowest, highest) if highest > lowest else (lowest, lowest + max(abs(lowest), 1.0) * 1e-3)
