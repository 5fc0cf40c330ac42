"""The calibration images on their way through a network, a stretch at a time.

Fitting a layer needs the activations before it in the network whose earlier layers are already reduced, so
the layers come one after another. Running the whole prefix anew for each would cost L/2 passes over the
images for L layers. Instead the tensors that the rest of the network still needs are kept on disk between
two stretches where they fit a budget, and the next stretch starts there: each part runs about once.
"""

import contextlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.engines.onnxruntime import open_bytes
from export.calibrate.inputs import Activation, KeptInputs
from export.network.layers import ReducibleNetwork
from export.network.topology import fragment, frontier

Activations = dict[str, Activation]

DISK_BUDGET_BYTES = 1 << 30  # beyond it a stretch starts at the images again


@dataclass(frozen=True)
class KeptTensors:
    """Tensors of all images on disk, one file for each tensor, image after image.

    Attributes:
        files: Where each is.
        shapes: Shape of each for one image.
        count: Number of images.
        element: The type of their values, as numpy calls it.
    """

    files: Mapping[str, Path]
    shapes: Mapping[str, tuple[int, ...]]
    count: int
    element: str = "float32"

    def read(self) -> Iterator[Activations]:
        """The tensors of each image in turn, by their names."""
        with contextlib.ExitStack() as stack:
            opened = {name: stack.enter_context(path.open("rb")) for name, path in self.files.items()}
            for _ in range(self.count):
                yield {name: self._next(name, file) for name, file in opened.items()}

    def _next(self, name: str, file: BinaryIO) -> Activation:
        shape = self.shapes[name]
        return np.fromfile(file, self.element, math.prod(shape)).reshape(shape)


class ActivationStream:
    """Takes all images through a network from its input towards its end.

    Attributes:
        image_macs: Multiply-adds run so far for each image.
    """

    def __init__(
        self,
        inputs: KeptInputs,
        folder: Path,
        *,
        goals: Collection[str],
        threads: int,
        budget_bytes: int = DISK_BUDGET_BYTES,
    ) -> None:
        """Prepare to stream.

        Args:
            inputs: The network's inputs.
            folder: A folder for the tensors kept on the way; made if missing.
            goals: All tensors that will be wanted: nothing is kept that none of those needs.
            threads: Threads for onnxruntime.
            budget_bytes: Disk space that tensors kept between two stretches may take.
        """
        self._inputs = inputs
        self._goals = frozenset(goals)
        self._kept: KeptTensors | None = None  # until the first stretch, the inputs
        self._reached: set[str] = set()
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self._threads = threads
        self._budget_bytes = budget_bytes
        self._stretch = 0
        self.image_macs = 0

    def advance(self, network: ReducibleNetwork, wanted: Sequence[str]) -> Iterator[Activations]:
        """Run all images up to the tensors ``wanted`` and yield those, image by image.

        Between calls the network may change anywhere after the tensors wanted last, not before them.

        Raises:
            ModelRefusedError: The network cannot be run, or produces NaN or infinite values.
        """
        kept = self._worth_keeping(network, wanted)
        start = self._kept or self._start(network)
        sources = list(start.files)
        targets = sorted({*wanted, *kept.files} - set(sources))
        part = fragment(network.model, sources, targets)
        self.image_macs += fragment_macs(part, network)
        run = _runner(part, targets, self._threads)
        with contextlib.ExitStack() as stack:
            writers = {name: stack.enter_context(path.open("wb")) for name, path in kept.files.items()}
            for feeds in start.read():
                values = feeds | run(feeds)
                for name, file in writers.items():
                    values[name].tofile(file)
                yield {name: finite(name, values[name]) for name in wanted}
        # Only now: until the last image was through, this stretch read what the one before it had kept.
        if kept.files:
            self._delete_kept()
            self._kept = kept

    def close(self) -> None:
        """Delete the tensors kept on the way; the inputs stay."""
        self._delete_kept()
        self._kept = None
        self._reached = set()

    def _delete_kept(self) -> None:
        for path in self._kept.files.values() if self._kept else ():
            path.unlink(missing_ok=True)

    def _start(self, network: ReducibleNetwork) -> KeptTensors:
        name, inputs = network.input_name, self._inputs
        return KeptTensors({name: inputs.path}, {name: inputs.shape}, len(inputs), inputs.element)

    def _worth_keeping(self, network: ReducibleNetwork, wanted: Sequence[str]) -> KeptTensors:
        """The cut between all that was wanted so far and the goals left; nothing where it is too large.

        Nothing either where a tensor of it is not of float32.

        Behind ``wanted`` alone it might need tensors from before the last cut, for branches left behind.
        """
        self._reached.update(wanted)
        left = self._goals - self._reached
        cut = frontier(network.model, self._reached, network.input_name, left)
        shapes = {name: network.shapes.get(name, ()) for name in cut}
        size = sum(4 * math.prod(shape) for shape in shapes.values()) * len(self._inputs)
        if not network.float_tensors.issuperset(cut) or size > self._budget_bytes:
            return KeptTensors({}, {}, len(self._inputs))
        self._stretch += 1
        files = {name: self._folder / f"{self._stretch}-{index}.f32" for index, name in enumerate(cut)}
        return KeptTensors(files, shapes, len(self._inputs))


def _runner(
    part: onnx.ModelProto, targets: Sequence[str], threads: int
) -> Callable[[Activations], Activations]:
    if not targets:
        return lambda _: {}
    session = open_bytes(part.SerializeToString(), threads)
    needed = [value.name for value in part.graph.input]

    def run(feeds: Activations) -> Activations:
        outputs = session.run(targets, {name: feeds[name] for name in needed})
        return dict(zip(targets, outputs, strict=True))

    return run


def fragment_macs(part: onnx.ModelProto, network: ReducibleNetwork) -> int:
    """Multiply-adds of a part of a network for one image: of all in it that the whole is counted by."""
    written = {name for node in part.graph.node for name in node.output}
    return sum(row.macs for row in network.rows if row.output in written)


def finite(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hand the values of a tensor on as they are.

    Args:
        name: The tensor's name, for the message.
        values: Its values.

    Raises:
        ModelRefusedError: One of them is NaN or infinite.
    """
    if not np.isfinite(values).all():
        raise ModelRefusedError(f"the network computes NaN or infinite values at {name!r}")
    return values
