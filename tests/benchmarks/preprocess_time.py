"""Which way from a scaled frame to a network's outputs is the fastest?

    python tests/benchmarks/preprocess_time.py MODEL [MODEL...] [--threads N] [--rounds R]

Each way takes the same BGR bytes, already scaled to the network's input, to the same outputs:

- *table*: what ``edge_runtime.model.preprocess`` does: one look-up per pixel and channel, then the network.
- *blob*: ``cv2.dnn.blobFromImageWithParams``, then the network.
- *numpy*: subtract and divide in buffers made beforehand, then the network.
- *graph*: the bytes go into the network, which begins with Transpose, Cast, Mul and Add. The swap of red and
  blue is left out, as if the first layer's weights had been swapped: its best case.

They take turns frame by frame, in an order that rotates. *before* is what comes before the network alone,
*all* includes it: medians of wall and of processor time, the latter steadier where other programs run.
*steps* is the largest difference of the tensor to *table*, in grey levels of the picture: only *table* rounds
alike on every machine.

Found so far: the network takes so much longer that no way is faster over all, so the exact one is kept.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from edge_runtime.model.card import InputSpec
from edge_runtime.model.engines.onnxruntime import open_bytes, open_network
from edge_runtime.model.image import Tensor
from edge_runtime.model.network import Network, default_threads
from edge_runtime.model.preprocess import Preprocessor

Bytes = NDArray[np.uint8]
FRAMES = 30


@dataclass(frozen=True)
class Way:
    """One way: what it does before the network, and what it then runs."""

    prepare: Callable[[Bytes], Any]
    run: Callable[[Any], Any]


def ways(network: Network, path: Path, spec: InputSpec, threads: int) -> dict[str, Way]:
    """All ways for one network."""
    folded = open_bytes(with_bytes_input(path, spec).SerializeToString(), threads)
    name = folded.get_inputs()[0].name
    return {
        "table": Way(Preprocessor(spec), network.run),
        "blob": Way(by_blob(spec), network.run),
        "numpy": Way(by_numpy(spec), network.run),
        "graph": Way(lambda image: image[None], lambda image: folded.run(None, {name: image})),
    }


def by_blob(spec: InputSpec) -> Callable[[Bytes], Tensor]:
    """OpenCV's one function for it, which computes ``(pixel - mean) * scale`` for each channel."""
    settings = cv2.dnn.Image2BlobParams()
    settings.mean = (*(np.array(spec.mean) / spec.scale), 0.0)
    settings.scalefactor = (*(spec.scale / np.array(spec.std)), 1.0)
    settings.swapRB = spec.colour == "RGB"
    return lambda image: cv2.dnn.blobFromImageWithParams(image, settings)  # type: ignore[return-value]


def by_numpy(spec: InputSpec) -> Callable[[Bytes], Tensor]:
    """Plain arithmetic into one tensor."""
    tensor = np.empty((1, 3, *spec.size), np.float32)
    factor = (spec.scale / np.array(spec.std)).astype(np.float32)[:, None, None]
    offset = (np.array(spec.mean) / np.array(spec.std)).astype(np.float32)[:, None, None]
    order = slice(None, None, -1) if spec.colour == "RGB" else slice(None)

    def prepare(image: Bytes) -> Tensor:
        np.multiply(image[:, :, order].transpose(2, 0, 1), factor, out=tensor[0])
        return np.subtract(tensor, offset, out=tensor)

    return prepare


def with_bytes_input(path: Path, spec: InputSpec) -> onnx.ModelProto:
    """The network with (1, height, width, 3) uint8 as its input."""
    model = onnx.load(path)
    (inner,) = (value.name for value in model.graph.input)
    nodes = [
        helper.make_node("Transpose", ["bytes"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planes"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["levels", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["normalised"]),
    ]
    std = np.array(spec.std)
    constants = {"factor": spec.scale / std, "offset": -np.array(spec.mean) / std}
    graph = helper.make_graph(
        nodes,
        "input",
        [helper.make_tensor_value_info("bytes", TensorProto.UINT8, [1, *spec.size, 3])],
        [helper.make_tensor_value_info("normalised", TensorProto.FLOAT, [1, 3, *spec.size])],
        [
            numpy_helper.from_array(value.astype(np.float32).reshape(1, 3, 1, 1), name)
            for name, value in constants.items()
        ],
    )
    head = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return compose.merge_models(
        compose.add_prefix(head, "input/"), model, io_map=[("input/normalised", inner)]
    )


def measure(contestants: dict[str, Way], frames: list[Bytes], rounds: int) -> NDArray[np.float64]:
    """(way, round and frame, wall or processor, before or all) in milliseconds."""
    costs = np.empty((len(contestants), (rounds + 1) * len(frames), 2, 2))
    listed = list(contestants.values())
    for turn in range(costs.shape[1]):
        for position in range(len(listed)):
            number = (position + turn) % len(listed)
            times = [_now()]
            prepared = listed[number].prepare(frames[turn % len(frames)])
            times.append(_now())
            listed[number].run(prepared)
            times.append(_now())
            costs[number, turn] = np.stack([times[1] - times[0], times[2] - times[0]], axis=1)
    return costs[:, len(frames) :] / 1e6


def _now() -> NDArray[np.int64]:
    return np.array([time.perf_counter_ns(), time.process_time_ns()])


def report(path: Path, threads: int, rounds: int) -> None:
    """Measure one network and print its table."""
    network = open_network(path, threads)
    spec = network.card().input
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (*spec.size, 3), np.uint8) for _ in range(FRAMES)]
    contestants = ways(network, path, spec, threads)
    costs = np.median(measure(contestants, frames, rounds), axis=1)
    table = contestants["table"].prepare(frames[0]).copy()
    level = np.abs(spec.scale / np.array(spec.std)).reshape(1, 3, 1, 1)
    print(f"{path.stem}, {spec.size[0]}x{spec.size[1]}, {threads} threads, load {os.getloadavg()[0]:.1f}")
    print(f"  {'':6}{'before: wall':>14}{'processor':>11}{'all: wall':>12}{'processor':>11}{'steps':>10} ms")
    for name, (wall, processor) in zip(contestants, costs, strict=True):
        steps = ""
        if name != "graph":
            steps = f"{np.max(np.abs(contestants[name].prepare(frames[0]) - table) / level):.1e}"
        print(
            f"  {name:6}{wall[0]:14.3f}{processor[0]:11.3f}{wall[1]:12.3f}{processor[1]:11.3f}{steps:>10}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for path in arguments.models:
        report(path, arguments.threads, arguments.rounds)


if __name__ == "__main__":
    main()
