"""Decodes a benchmark's frames once, so that every round sees the same ones and none waits for a decoder.

Run as ``python -m edge_runtime.bench.frames`` with a ``FramesJob`` as JSON on standard input, in a
process of its own: what decoding costs in memory must not stay in the benchmark's parent on a small Pi.
"""

import sys
from pathlib import Path

import numpy as np

from edge_runtime.base.errors import InputError
from edge_runtime.bench.messages import FramesJob, reply
from edge_runtime.frames.select import open_source
from edge_runtime.model.card import InputSpec, load_card
from edge_runtime.model.image import Image
from edge_runtime.model.onnx_file import metadata_of
from edge_runtime.settings.config import SourceConfig

# Enough that no single picture decides; each process of a benchmark holds them all, also on a Pi of 512 MiB.
MOST_FRAMES = 64
MOST_BYTES = 64 << 20


def collect(location: str, spec: InputSpec) -> list[Image]:
    """Decode the first frames of a source: at most 64, and at most 64 MiB of them, but at least one.

    Args:
        location: Where frames come from, as ``--source`` takes it.
        spec: The network's input, for sources that can deliver any size.

    Raises:
        InputError: It cannot be read or holds no frame.
    """
    source = open_source(SourceConfig(location=location, every_frame=True), spec)
    images: list[Image] = []
    held = 0
    try:
        for frame in source:
            held += frame.image.nbytes
            if images and held > MOST_BYTES:
                break
            images.append(frame.image.copy())  # a source may write the next frame into the same memory
            if len(images) == MOST_FRAMES:
                break
    finally:
        source.close()
    if not images:
        raise InputError(f"{location} holds no frame")
    return images


def decode(job: FramesJob) -> dict[str, object]:
    """Decode the frames of a job and write them to its target.

    Returns:
        The fields of the answer: none, for what matters is in the file.

    Raises:
        InputError: The network, its card or the source cannot be read.
        ModelRefusedError: The network cannot run.
    """
    override = None if job.card is None else Path(job.card)
    spec = load_card(metadata_of(Path(job.model)), Path(job.model), override).input
    np.savez(job.target, *collect(job.source, spec))
    return {}


if __name__ == "__main__":
    sys.exit(reply(lambda: decode(FramesJob.from_json(sys.stdin.read()))))
