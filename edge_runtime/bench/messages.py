"""What passes between the benchmark and its child processes, as JSON.

A child reads its job from standard input and writes its answer to standard output: the fields of what it
made, or ``{"error": MESSAGE}`` and then it ends with that error's exit code.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from edge_runtime.base.errors import PiInferError
from edge_runtime.base.native_noise import part_from_native_stderr


@dataclass(frozen=True)
class _Message:
    """A message whose fields are the keys of its JSON."""

    def to_json(self) -> str:
        """The message as its receiver reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Job(_Message):
    """What one process shall measure.

    Attributes:
        model: The ONNX file.
        card: A model card to use instead of the network's.
        frames: A .npz file of frames for the whole frame path; None times ``session.run`` on one fixed frame.
        threads: Threads within one inference; None for all processors.
        seconds: How long to measure, after the warm-up.
        engine: What runs the network.
    """

    model: str
    card: str | None
    frames: str | None
    threads: int | None
    seconds: float
    engine: str = "onnxruntime"


@dataclass(frozen=True)
class FramesJob(_Message):
    """Which frames to decode, and where to put them.

    Attributes:
        source: Where frames come from, as ``--source`` takes it.
        model: The ONNX file whose input size a source of any size is asked for.
        card: A model card to use instead of the network's.
        target: The .npz file to write.
    """

    source: str
    model: str
    card: str | None
    target: str


@dataclass(frozen=True)
class TrialsJob(_Message):
    """Which convolutions to time.

    Attributes:
        trials: The values of ``Trial``, of each.
        engine: What runs them.
        threads: Threads within one inference.
        footprint: Bytes that the rest of their network reads between two runs of a layer.
        seconds: How long to time each in each round.
        rounds: How often to go through them all.
    """

    trials: list[list[Any]]
    engine: str
    threads: int
    footprint: int
    seconds: float = 0.015
    rounds: int = 3


@dataclass(frozen=True)
class Round:
    """What one process measured on one network.

    Attributes:
        latency_ms: Latency of each frame after the warm-up.
        seconds: From the end of the first of these frames to the end of the last: N - 1 intervals.
        load_ms: Reading the file and preparing the session.
        peak_rss_mib: VmHWM at the end.
        runtime_rss_mib: VmHWM with everything imported and every frame read, before the network was loaded.
        others_processors: Processors kept busy by other programs meanwhile; None where the machine hides it.
        steal_processors: Processors taken by the hypervisor meanwhile; None where the machine hides it.
        involuntary_switches: How often a thread of ours lost its processor.
        threads: Threads within one inference.
        versions: Versions of the libraries used.
    """

    latency_ms: tuple[float, ...]
    seconds: float
    load_ms: float
    peak_rss_mib: float
    runtime_rss_mib: float
    others_processors: float | None
    steal_processors: float | None
    involuntary_switches: int
    threads: int
    versions: dict[str, str]

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Read a round from the fields of a child's answer, in which JSON has made a list of the tuple."""
        return cls(**{**fields, "latency_ms": tuple(fields["latency_ms"])})


@dataclass(frozen=True)
class Answer:
    """What a child process said.

    Attributes:
        fields: Those of its JSON.
        said: The lines of its standard error, such as warnings of pictures that it skipped.
    """

    fields: dict[str, Any]
    said: tuple[str, ...]


def reply(work: Callable[[], Mapping[str, Any]]) -> int:
    """Do a child's work and write the answer to standard output.

    Args:
        work: Returns the fields of the answer; an error it raises for users becomes the answer.

    Returns:
        The exit code of the child: 0, or that of the error.
    """
    part_from_native_stderr()  # what a child says is shown to the user
    code = 0
    try:
        fields = work()
    except PiInferError as error:
        fields, code = {"error": str(error)}, error.exit_code
    json.dump(fields, sys.stdout)
    return code
