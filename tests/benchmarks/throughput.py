"""Does the frame path keep up, without delay, without waste and without growing?

    python tests/benchmarks/throughput.py MODEL [MODEL...] --video FILE [--seconds S] [--rounds R]
    python tests/benchmarks/throughput.py --waste MODEL

The first form plays FILE at its own rate through the pipeline, in turns with a bare loop of
``InferenceSession.run``, and prints for each network: frames a second of both; the share of what could be
had, which is the lesser of the film's rate and the bare loop's (target: 97 %); and the *added delay* of a
frame, its age at the result less the inference (target at p99: one frame interval and 5 ms; a frame waits for
half an interval on average wherever the network is slower than the film). Medians over the rounds. Where
other programs run, the two loops get unequal shares of the machine: then the processor time of a frame, bare
and whole, tells more.

The second form measures one network, which should be a fast one: the processor's share while no frame comes
(target: 3 % of a core), and the growth over 10,000 frames of a source that knows no pause (target: 1 MiB an
hour at 30 frames a second; no file descriptors).
"""

import argparse
import os
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_runtime.frames.base import Frame, FrameSource
from edge_runtime.frames.video_file import VideoFileSource, open_file
from edge_runtime.inference import Model
from edge_runtime.model.image import Image
from edge_runtime.model.network import default_threads
from edge_runtime.pipeline import Pipeline

if TYPE_CHECKING:
    from edge_runtime.results.frame_result import FrameResult

FRAMES, SETTLED = 10_000, 2_000
PROBE_EVERY = 250
IDLE_S = 10.0
HOUR_FRAMES = 30 * 3600


@dataclass(frozen=True)
class Loop:
    """One loop over some seconds.

    Attributes:
        fps: Finished frames a second.
        processor_ms: Processor time of the whole process for each.
        added_ms: Age of each frame at its result, less its inference.
    """

    fps: float
    processor_ms: float
    added_ms: tuple[float, ...] = ()


@dataclass(frozen=True)
class Growth:
    """What a long run left behind: memory for each hour of frames, and file descriptors."""

    mib_an_hour: float
    descriptors: int


class Restless:
    """A live source that always has a new frame, until it is told to pause for good."""

    live = True
    limit_s = 60.0

    def __init__(self, image: Image, frames: int | None = None) -> None:
        self._image = image
        self._frames = frames
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        sequence = 0
        while not self._closed.is_set():
            if sequence == self._frames:
                self._closed.wait()
                return
            yield Frame(self._image.copy(), sequence, time.monotonic_ns())
            sequence += 1

    def close(self) -> None:
        self._closed.set()


def bare(model: Model, image: Image, seconds: float) -> Loop:
    """Nothing but the network."""
    network, tensor = model.network, model.preprocess(image)
    start_s, start_processor_s = time.perf_counter(), time.process_time()
    frames = 0
    while (elapsed_s := time.perf_counter() - start_s) < seconds:
        network.session.run(None, {network.input.name: tensor})
        frames += 1
    return Loop(frames / elapsed_s, 1000 * (time.process_time() - start_processor_s) / frames)


def played(model: Model, source: FrameSource, seconds: float) -> Loop:
    """The pipeline; its first frame, for which threads and buffers are made, does not count."""
    results: list[FrameResult] = []
    with Pipeline(source, model) as pipeline:
        running = iter(pipeline)
        next(running)
        start_processor_s = time.process_time()
        for found in running:
            results.append(found.without_image())
            if found.finished_ns - results[0].finished_ns > seconds * 1e9:
                break
        processor_s = time.process_time() - start_processor_s
    span_s = (results[-1].finished_ns - results[0].finished_ns) / 1e9
    added_ms = tuple(found.age_ms - found.inference_ms for found in results)
    return Loop((len(results) - 1) / span_s, 1000 * processor_s / len(results), added_ms)


def compare(path: Path, video: Path, threads: int, seconds: float, rounds: int) -> str:
    """One network's line of the table."""
    model = Model.open(path, threads=threads)
    capture = cv2.VideoCapture(str(video))
    rate_hz = capture.get(cv2.CAP_PROP_FPS)
    image = capture.read()[1]
    capture.release()
    bare(model, image, seconds / 4)
    pairs = []
    for _ in range(rounds):
        before = bare(model, image, seconds / 2)
        whole = played(model, VideoFileSource(open_file(str(video))), seconds)
        after = bare(model, image, seconds / 2)
        pairs.append((whole, (before.fps + after.fps) / 2, (before.processor_ms + after.processor_ms) / 2))
    share = statistics.median(100 * whole.fps / min(rate_hz, fps) for whole, fps, _ in pairs)
    added = [value for whole, _, _ in pairs for value in whole.added_ms]
    p50, p99 = np.percentile(added, (50, 99))
    return (
        f"{path.stem:22}{statistics.median(fps for _, fps, _ in pairs):9.1f}"
        f"{statistics.median(whole.fps for whole, _, _ in pairs):9.1f}{share:8.1f} %"
        f"{p50:9.2f}{p99:9.2f}{1000 / rate_hz + 5:9.1f}"
        f"{statistics.median(cost for _, _, cost in pairs):10.2f}"
        f"{statistics.median(whole.processor_ms for whole, _, _ in pairs):9.2f}"
    )


def idle_share(model: Model) -> float:
    """Share of a core that is used while no frame comes, after some have."""
    source = Restless(np.zeros((240, 320, 3), np.uint8), frames=100)
    with Pipeline(source, model) as pipeline:
        threading.Thread(target=list, args=(pipeline,)).start()
        time.sleep(2.0)
        start_s, start_processor_s = time.monotonic(), time.process_time()
        time.sleep(IDLE_S)
        return (time.process_time() - start_processor_s) / (time.monotonic() - start_s)


def growth(model: Model) -> Growth:
    """Memory and file descriptors over many frames."""
    source = Restless(np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8))
    probes = []
    with Pipeline(source, model) as pipeline:
        for number, found in enumerate(islice(pipeline, FRAMES)):
            found.to_document()
            if number >= SETTLED and number % PROBE_EVERY == 0:
                probes.append((number, resident_kib(), len(list(Path("/proc/self/fd").iterdir()))))
    numbers, memory, descriptors = np.array(probes).T
    slope = float(np.polyfit(numbers, memory / 1024, 1)[0])
    return Growth(slope * HOUR_FRAMES, int(descriptors.max() - descriptors.min()))


def resident_kib() -> int:
    """Exact, where ``/proc/self/status`` may be some pages behind."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("Rss:")).split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*", metavar="MODEL")
    parser.add_argument("--video", type=Path, metavar="FILE")
    parser.add_argument("--waste", type=Path, metavar="MODEL")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=default_threads())
    arguments = parser.parse_args()
    if arguments.models and arguments.video is None:
        parser.error("give --video")
    if arguments.models:
        print(f"{arguments.threads} threads, load {os.getloadavg()[0]:.1f}")
        print(f"{'':22}{'frames a second':>18}{'':10}{'added delay, ms':>27}{'processor, ms':>19}")
        heads = ("bare", "whole", "of it", "p50", "p99", "target", "bare", "whole")
        print(
            f"{'':22}{''.join(f'{h:>{w}}' for h, w in zip(heads, (9, 9, 10, 9, 9, 9, 10, 9), strict=True))}"
        )
    for path in arguments.models:
        line = compare(path, arguments.video, arguments.threads, arguments.seconds, arguments.rounds)
        print(line, flush=True)
    if arguments.waste is not None:
        model = Model.open(arguments.waste, threads=arguments.threads)
        print(f"{arguments.waste.stem}: {100 * idle_share(model):.2f} % of a core while no frame comes")
        found = growth(model)
        print(
            f"{arguments.waste.stem}: {FRAMES} frames, {found.mib_an_hour:+.3f} MiB an hour at 30 frames a "
            f"second, {found.descriptors} more file descriptors"
        )


if __name__ == "__main__":
    main()
