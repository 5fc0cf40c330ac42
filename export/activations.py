"""The calibration images on their way through a network, a stretch at a time.

Fitting a layer needs the activations before it in the network whose earlier layers are already reduced, so
the layers come one after another. Running the whole prefix anew for each would cost L/2 passes over the
images for L layers. Instead the tensors that the rest of the network still needs are kept on disk between
two stretches where they fit a budget, and the next stretch starts there: each part runs about once.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_runtime.errors import ModelRefusedError
from edge_runtime.session import open_bytes
from export.graph import fragment, frontier
from export.network import ReducibleNetwork

Activations = dict[str, NDArray[np.float32]]

DISK_BUDGET_BYTES = 1 << 30


@dataclass(frozen=True)
class _Kept:
    """Tensors of all images on disk, one file each, image after image."""

    files: dict[str, Path]
    shapes: dict[str, tuple[int, ...]]

    def read(self) -> Iterator[Activations]:
        with contextlib.ExitStack() as stack:
            opened = {name: stack.enter_context(path.open("rb")) for name, path in self.files.items()}
            while True:
                values = {
                    name: np.fromfile(file, np.float32, math.prod(self.shapes[name]))
                    for name, file in opened.items()
                }
                if any(value.size == 0 for value in values.values()):
                    return
                yield {name: value.reshape(self.shapes[name]) for name, value in values.items()}

    def delete(self) -> None:
        for path in self.files.values():
            path.unlink(missing_ok=True)


class ActivationStream:
    """Takes all images through a network from its input towards its end.

    Attributes:
        image_macs: Multiply-adds run so far for each image.
    """

    def __init__(
        self,
        images: Callable[[], Iterable[NDArray[np.float32]]],
        count: int,
        folder: Path,
        threads: int,
        budget_bytes: int = DISK_BUDGET_BYTES,
    ) -> None:
        """Prepare to stream.

        Args:
            images: Gives the network's inputs, (1, C, H, W) each, the same ones at each call.
            count: How many there are.
            folder: An empty folder for the kept tensors.
            threads: Threads for onnxruntime.
            budget_bytes: Disk space that kept tensors may take.
        """
        self._images = images
        self._count = count
        self._folder = folder
        self._threads = threads
        self._budget_bytes = budget_bytes
        self._kept: _Kept | None = None
        self._stretch = 0
        self.image_macs = 0

    def advance(self, network: ReducibleNetwork, wanted: Sequence[str]) -> Iterator[Activations]:
        """Run all images up to the tensors ``wanted`` and yield those, image by image.

        Between calls the network may change anywhere after the tensors wanted last, not before them.

        Raises:
            ModelRefusedError: The network cannot be run, or produces NaN or infinite values.
        """
        keep = self._worth_keeping(network, wanted)
        sources = list(self._kept.files) if self._kept else [network.input_name]
        targets = sorted({*wanted, *keep} - set(sources))
        part = fragment(network.model, sources, targets)
        self.image_macs += fragment_macs(part, network.shapes)
        run = _runner(part, targets, self._threads)
        with contextlib.ExitStack() as stack:
            writers = self._writers(keep, stack)
            for feeds in self._feeds(network.input_name):
                values = feeds | run(feeds)
                for name, file in writers.items():
                    values[name].tofile(file)
                yield {name: _finite(name, values[name]) for name in wanted}
        if keep:
            self._switch_to(keep, network)

    def _feeds(self, input_name: str) -> Iterator[Activations]:
        if self._kept:
            return self._kept.read()
        return ({input_name: image} for image in self._images())

    def _worth_keeping(self, network: ReducibleNetwork, wanted: Sequence[str]) -> list[str]:
        cut = frontier(network.model, wanted, network.input_name)
        if network.input_name in cut or not network.float_tensors.issuperset(cut):
            return []
        size = sum(4 * math.prod(network.shapes[name]) for name in cut) * self._count
        if size > self._budget_bytes:
            return []
        return cut

    def _writers(self, keep: Sequence[str], stack: contextlib.ExitStack) -> dict[str, BinaryIO]:
        self._stretch += 1
        return {name: stack.enter_context(self._file(index).open("wb")) for index, name in enumerate(keep)}

    def _switch_to(self, keep: Sequence[str], network: ReducibleNetwork) -> None:
        if self._kept:
            self._kept.delete()
        files = {name: self._file(index) for index, name in enumerate(keep)}
        self._kept = _Kept(files, {name: network.shapes[name] for name in keep})

    def _file(self, index: int) -> Path:
        return self._folder / f"{self._stretch}-{index}.f32"


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


def fragment_macs(part: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Multiply-adds of the Convs and Gemms in a part of a network, for one image."""
    weights = {tensor.name: math.prod(tensor.dims) for tensor in part.graph.initializer}
    total = 0
    for node in part.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            positions = math.prod(shapes[node.output[0]][2:]) if node.op_type == "Conv" else 1
            total += positions * weights.get(node.input[1], 0)
    return total


def _finite(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(values).all():
        raise ModelRefusedError(f"the network computes NaN or infinite values at {name!r}")
    return values
