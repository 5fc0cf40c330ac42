"""Run frames through a network with the runtime: ``python infer.py MODEL FRAMES.npz OUT.npz [ENGINE]``.

Runs on this machine and in emulation, where a second inference of the first frame is marked for the counter.
OUT.npz gets every tensor and output.
"""

import ctypes
import sys
from pathlib import Path

import numpy as np

from edge_runtime.model.engines.select import open_network
from edge_runtime.model.golden import golden_error
from edge_runtime.model.preprocess import Preprocessor

COUNTER = 0x41524D43


def mark(operation: int) -> None:
    """Tell the instruction counter to begin (1) or to end and report (2); elsewhere prctl just refuses."""
    ctypes.CDLL(None).prctl(COUNTER, operation, 0, 0, 0)


def main(model: Path, frames_file: Path, out: Path, engine: str = "onnxruntime") -> None:
    network = open_network(model, 1, engine)
    card = network.card()
    preprocess = Preprocessor(card.input)
    tensors = [preprocess(frame).copy() for frame in np.load(frames_file).values()]
    outputs = [network.run(tensor)[0] for tensor in tensors]
    mark(1)
    network.run(tensors[0])
    mark(2)
    np.savez(
        out,
        tensors=np.concatenate(tensors),
        outputs=np.concatenate(outputs),
        golden_error=golden_error(network, card),
        modules=np.array(sorted({name.split(".")[0] for name in sys.modules})),
    )


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]), *sys.argv[4:])
