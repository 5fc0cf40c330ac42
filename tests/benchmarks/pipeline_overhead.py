"""What the pipeline costs above a bare loop of ``InferenceSession.run`` on the same decoded frames.

    python tests/benchmarks/pipeline_overhead.py MODEL --images DIR [--threads N] [--rounds R] [--frames F]

Three loops over the same frames, alternated in rounds whose order turns: *bare* runs prepared tensors, *again*
is the same loop once more (how far two equal loops differ is the noise), *pipeline* takes the decoded frames
through preprocessing, the same network and postprocessing. The figures are medians over all frames; the spread
is that of the rounds' medians.
"""

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from edge_runtime.frames.base import Frame
from edge_runtime.frames.folder import FolderSource
from edge_runtime.pipeline import Pipeline
from edge_runtime.preprocess import Preprocessor
from edge_runtime.session import default_threads, onnxruntime_version, open_network


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
    network = open_network(arguments.model, arguments.threads)
    card = network.card()
    frames = [
        frame for frame, _ in zip(FolderSource(arguments.images), range(arguments.frames), strict=False)
    ]
    preprocess = Preprocessor(card.input)
    tensors = [preprocess(frame.image).copy() for frame in frames]

    def bare() -> Iterator[object]:
        for tensor in tensors:
            yield network.session.run(None, {network.input_name: tensor})

    loops: dict[str, Callable[[], Iterator[object]]] = {
        "bare": bare,
        "pipeline": lambda: iter(Pipeline(Decoded(frames), network, card)),
        "again": bare,
    }
    names = list(loops)
    times: dict[str, list[list[float]]] = {name: [] for name in names}
    for number in range(-1, arguments.rounds):
        for name in names[number % 3 :] + names[: number % 3]:
            measured = _interval_ms(loops[name]())
            if number >= 0:  # the first round warms up
                times[name].append(measured)
    _print(arguments, len(frames), times)


def _interval_ms(results: Iterator[object]) -> list[float]:
    """Milliseconds from each result to the next."""
    stamps = [time.perf_counter_ns()]
    stamps.extend(time.perf_counter_ns() for _ in results)
    return (np.diff(stamps) / 1e6).tolist()


def _print(arguments: argparse.Namespace, frames: int, times: dict[str, list[list[float]]]) -> None:
    threads = arguments.threads or default_threads()
    print(
        f"{arguments.model.name}: {threads} threads, {frames} frames x {arguments.rounds} rounds, "
        f"onnxruntime {onnxruntime_version()}, {_cpu()}"
    )
    base = float(np.median(np.concatenate(times["bare"])))
    for name, rounds in times.items():
        median = float(np.median(np.concatenate(rounds)))
        of_rounds = [float(np.median(values)) for values in rounds]
        print(
            f"{name:9} median {median:8.3f} ms (rounds {min(of_rounds):.3f} to {max(of_rounds):.3f}), "
            f"{median - base:+.3f} ms, {100 * (median / base - 1):+.2f} %"
        )
    by_round = [np.median(p) - np.median(b) for p, b in zip(times["pipeline"], times["bare"], strict=True)]
    overhead = float(np.median(by_round))
    print(
        f"overhead, median over rounds: {overhead:.3f} ms a frame, {100 * overhead / base:.2f} % "
        f"(rounds {min(by_round):.3f} to {max(by_round):.3f} ms)"
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
