"""What the pipeline costs above a bare loop of ``InferenceSession.run`` on the same decoded frames.

    python tests/benchmarks/pipeline_overhead.py MODEL --images DIR [--threads N] [--rounds R] [--frames F]

Three loops over the same frames: *bare* runs prepared tensors, *again* is the same loop once more (how far
two equal loops differ is the noise), *pipeline* takes the decoded frames through preprocessing, the same
network and postprocessing. They take turns frame by frame, in an order that rotates, so that a disturbance
meets all of them; the overhead is the median over frames of the difference to *bare* on the same frame, and
its spread that of the rounds' medians. Wall time is what a user waits; processor time of the whole process
is steadier where other programs run.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frames.base import Frame
from edge_runtime.frames.folder import FolderSource
from edge_runtime.inference import Model
from edge_runtime.model.engines.onnxruntime import onnxruntime_version
from edge_runtime.model.network import default_threads
from edge_runtime.pipeline import Pipeline

Costs = NDArray[np.float64]


class Decoded:
    """Frames that are already in memory."""

    live = False

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def close(self) -> None:
        """Nothing is held."""


def main() -> None:
    arguments = _arguments()
    model = Model.open(arguments.model, threads=arguments.threads)
    network = model.network
    frames = [
        frame for frame, _ in zip(FolderSource(arguments.images), range(arguments.frames), strict=False)
    ]
    tensors = [model.preprocess(frame.image).copy() for frame in frames]

    def bare() -> Iterator[object]:
        for tensor in tensors:
            yield network.session.run(None, {network.input.name: tensor})

    loops: dict[str, Callable[[], Iterator[object]]] = {
        "bare": bare,
        "pipeline": lambda: iter(Pipeline(Decoded(frames), model)),
        "again": bare,
    }
    rounds = [_round(loops, len(frames), turn=number) for number in range(-1, arguments.rounds)]
    _print(arguments, len(frames), dict(zip(loops, np.stack(rounds[1:]).transpose(1, 3, 0, 2), strict=True)))


def _round(loops: dict[str, Callable[[], Iterator[object]]], frames: int, turn: int) -> Costs:
    """One pass of every loop over all frames: (loop, frame, wall and processor) in milliseconds."""
    running = [start() for start in loops.values()]
    costs = np.empty((len(running), frames, 2))
    for frame in range(frames):
        for position in range(len(running)):
            loop = (position + frame + turn) % len(running)
            before = np.array([time.perf_counter_ns(), time.process_time_ns()])
            next(running[loop])
            costs[loop, frame] = np.array([time.perf_counter_ns(), time.process_time_ns()]) - before
    return costs / 1e6


def _print(arguments: argparse.Namespace, frames: int, costs: dict[str, Costs]) -> None:
    """Print medians and overheads; each loop's costs are (wall and processor, round, frame)."""
    threads = arguments.threads or default_threads()
    print(
        f"{arguments.model.name}: {threads} threads, {frames} frames x {arguments.rounds} rounds, "
        f"onnxruntime {onnxruntime_version()}, {_cpu()}, load {os.getloadavg()[0]:.1f}"
    )
    for number, clock in enumerate(("wall", "processor")):
        base = costs["bare"][number]
        print(f"{clock} time: bare {np.median(base):.3f} ms a frame")
        for name in ("again", "pipeline"):
            extra = costs[name][number] - base
            by_round = np.median(extra, axis=1)
            print(
                f"  {name:9}{np.median(extra):+8.3f} ms, {100 * np.median(extra) / np.median(base):+6.2f} % "
                f"(rounds {by_round.min():+.3f} to {by_round.max():+.3f} ms)"
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--frames", type=int, default=40)
    return parser.parse_args()


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
