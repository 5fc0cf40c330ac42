"""The faster engine for a network on this machine, found by trying each for a moment."""

import importlib.util
import statistics
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.base.errors import PiInferError
from edge_runtime.bench.children import ask
from edge_runtime.bench.messages import Job, Round
from edge_runtime.model.ncnn_form import METADATA_KEY
from edge_runtime.model.onnx_file import metadata_of

SECONDS = 0.3
ROUNDS = 2  # of each engine, in turn: a moment in which something else ran decides nothing


@dataclass(frozen=True)
class EngineChoice:
    """The engine that a network shall run under.

    Attributes:
        engine: Its name.
        why: Why, for whoever watches.
    """

    engine: str
    why: str


def fastest_engine(path: Path, card: Path | None, threads: int | None) -> EngineChoice:
    """Try the engines that can run a network, each in processes of its own, and take the fastest.

    Args:
        path: An ONNX file.
        card: A model card to use instead of the network's.
        threads: Threads within one inference; all processors if None.

    Raises:
        InputError: The file or its card cannot be read.
        ModelRefusedError: onnxruntime refuses it, and nothing else can run it.
    """
    if METADATA_KEY not in metadata_of(path):
        return EngineChoice("onnxruntime", "the network was not made for another")
    if importlib.util.find_spec("ncnn") is None:
        return EngineChoice("onnxruntime", "ncnn is not installed")
    found: dict[str, list[float]] = {"onnxruntime": [], "ncnn": []}
    failed = ""
    for _ in range(ROUNDS):
        for engine in list(found):
            job = Job(str(path), None if card is None else str(card), None, threads, SECONDS, engine)
            try:
                fields = ask("edge_runtime.bench.worker", job, str(path)).fields
            except PiInferError as error:
                failed = f"; {error}"
                if len(found) == 1:
                    raise
                del found[engine]
            else:
                found[engine] += Round.from_fields(fields).latency_ms
    times = {engine: statistics.median(latencies) for engine, latencies in found.items()}
    best = min(times, key=lambda engine: times[engine])
    words = ", ".join(f"{times[engine]:.3g} ms under {engine}" for engine in times)
    return EngineChoice(best, f"{words}{failed}")
