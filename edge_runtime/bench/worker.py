"""One round of a benchmark: a fresh process that loads one network, times it, and answers with a ``Round``.

Run as ``python -m edge_runtime.bench.worker`` with a ``Job`` as JSON on standard input.
"""

import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import numpy.random  # loaded on first use otherwise, and its memory would count as the network's

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.bench.messages import Job, Round, reply
from edge_runtime.frames.base import FRAME_LIMIT_S, Frame
from edge_runtime.inference import Model
from edge_runtime.machine.board import read_processor_times
from edge_runtime.model.card import METADATA_KEY, ModelCard
from edge_runtime.model.engines.select import load_engine, open_network
from edge_runtime.model.golden import golden_frame
from edge_runtime.model.image import Image, Tensor
from edge_runtime.model.input_form import ELEMENTS, require_image, require_single
from edge_runtime.model.network import Network, default_threads
from edge_runtime.pipeline import Pipeline
from edge_runtime.results.metrics import peak_rss_mib

SEED = 0
# The first inferences allocate memory and fill caches, and a processor takes a moment to reach its frequency.
WARM_UP_FRAMES = 3
WARM_UP_SHARE = 0.25
FEWEST_FRAMES = 5  # also of a network that takes longer for them than was asked for

Step = Callable[[], object]


class EndlessSource:
    """A source that hands out frames held in memory, over and over."""

    live = False
    limit_s = FRAME_LIMIT_S

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = images

    def __iter__(self) -> Iterator[Frame]:
        """The frames in turn, without end, each numbered and timed anew."""
        for sequence, image in enumerate(cycle(self._images)):
            yield Frame(image, sequence, time.monotonic_ns())

    def close(self) -> None:
        """Do nothing: no file and no camera is held open."""


class Usage:
    """Tells whether we had the machine to ourselves: what others took of its processors since it was made."""

    def __init__(self) -> None:
        self._time = time.perf_counter()
        self._own = resource.getrusage(resource.RUSAGE_SELF)
        self._all = read_processor_times()

    def involuntary_switches(self) -> int:
        """How often a thread of ours lost its processor."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - self._own.ru_nivcsw

    def others_and_steal(self) -> tuple[float, float] | tuple[None, None]:
        """Processors kept busy by others, and of these by the hypervisor; None where that is hidden."""
        now, own = read_processor_times(), resource.getrusage(resource.RUSAGE_SELF)
        if now is None or self._all is None:
            return None, None
        seconds = time.perf_counter() - self._time
        own_s = own.ru_utime + own.ru_stime - self._own.ru_utime - self._own.ru_stime
        # /proc/stat counts in hundredths of a second and we in microseconds: the difference may be below 0.
        others_s = now.busy_s - self._all.busy_s - own_s
        return max(0.0, others_s / seconds), (now.steal_s - self._all.steal_s) / seconds


def measure(job: Job) -> Round:
    """Load the network, warm it up, and time it.

    Raises:
        InputError: The file or its card cannot be read.
        ModelRefusedError: The network cannot run.
    """
    # All that is not the network's, libraries and frames, comes before the first look at the memory.
    frames = _read_frames(job.frames)
    threads = job.threads or default_threads()
    load_engine(job.engine)
    runtime_rss_mib = peak_rss_mib()
    begun = time.perf_counter()
    network = open_network(Path(job.model), threads, job.engine)
    load_ms = (time.perf_counter() - begun) * 1000
    step = _step(network, None if job.card is None else Path(job.card), frames)
    time_frames(step, job.seconds * WARM_UP_SHARE, WARM_UP_FRAMES)
    usage = Usage()
    begins_ns, ends_ns = time_frames(step, job.seconds, FEWEST_FRAMES)
    others, steal = usage.others_and_steal()
    return Round(
        latency_ms=tuple((end - begin) / 1e6 for begin, end in zip(begins_ns, ends_ns, strict=True)),
        seconds=(ends_ns[-1] - ends_ns[0]) / 1e9,
        load_ms=load_ms,
        peak_rss_mib=peak_rss_mib(),
        runtime_rss_mib=runtime_rss_mib,
        others_processors=others,
        steal_processors=steal,
        involuntary_switches=usage.involuntary_switches(),
        threads=threads,
        versions=_versions(network),
    )


def time_frames(step: Step, seconds: float, fewest: int) -> tuple[list[int], list[int]]:
    """Run ``step`` over and over, and note the times.

    Args:
        step: What is timed.
        seconds: For how long.
        fewest: How often at least.

    Returns:
        When each run began and when it ended, in nanoseconds.
    """
    begins: list[int] = []
    ends: list[int] = []
    clock = time.perf_counter_ns
    deadline = clock() + int(seconds * 1e9)
    while len(ends) < fewest or ends[-1] < deadline:
        begins.append(clock())
        step()
        ends.append(clock())
    return begins, ends


def _step(network: Network, override: Path | None, frames: Sequence[Image]) -> Step:
    """What is timed: the next frame's way through the pipeline; without frames, ``session.run`` alone."""
    card = _card(network, override, needed=bool(frames))
    if card is None:
        return partial(network.run, _random_tensor(network))
    model = Model(network, card)
    if frames:
        return partial(next, iter(Pipeline(EndlessSource(frames), model)))
    # The golden frame: a picture, for some kernels are faster on zeros, and denormals are slow.
    return partial(network.run, model.preprocess(golden_frame(SEED, card.input.size)))


def _card(network: Network, override: Path | None, *, needed: bool) -> ModelCard | None:
    """The network's card; None if it has none and can do without."""
    exists = METADATA_KEY in network.metadata or network.path.with_suffix(".json").is_file()
    return network.card(override) if needed or override is not None or exists else None


def _random_tensor(network: Network) -> Tensor:
    """An input for a network without a card, of the type and shape that it fixes itself."""
    form = network.input
    if len(form.shape) == 4 or form.type not in ELEMENTS:  # what is no image can be timed all the same
        require_image(form, network.path)
        require_single(form, network.path)
    batch, *rest = form.shape or (1,)
    if None in rest:
        raise ModelRefusedError(
            f"{network.path} leaves its input size open, {form.words()}, and has no model card: "
            "pass --input CARD.json"
        )
    shape = (batch or 1, *(length for length in rest if length is not None))
    random = np.random.default_rng(SEED)
    if form.element == "uint8":
        return random.integers(0, 256, shape, np.uint8)
    return random.random(shape, np.float32).astype(form.element)


def _read_frames(path: str | None) -> list[Image]:
    if path is None:
        return []
    with np.load(path, allow_pickle=False) as archive:
        return [archive[name] for name in archive.files]


def _versions(network: Network) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        network.engine: network.engine_version,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


if __name__ == "__main__":
    sys.exit(reply(lambda: asdict(measure(Job.from_json(sys.stdin.read())))))
