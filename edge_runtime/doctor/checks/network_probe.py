"""What a network and our own frame path do on this machine; runs in a child of ``pi-infer doctor``.

Each fact is printed as one line of JSON as soon as it is known, so a time limit costs only those that follow.
"""

import json
import sys
import time
from collections.abc import Iterator

import numpy as np

from edge_runtime.base.errors import PiInferError
from edge_runtime.frames.base import Frame
from edge_runtime.frames.newest import Newest
from edge_runtime.inference import Model
from edge_runtime.model import demo
from edge_runtime.model.card import InputSpec
from edge_runtime.model.golden import golden_error, golden_frame
from edge_runtime.model.input_form import layout_of
from edge_runtime.model.preprocess import Preprocessor
from edge_runtime.settings.arguments import ENGINES

STRIDE_BYTES = 64  # rows of the Pi 5's camera begin at multiples of this
# A reader four times slower than its source: the fifth frame of a queue would be 120 ms old.
FRAME_INTERVAL_S, READER_INTERVAL_S, READS = 0.01, 0.04, 5
IDLE_S = 0.25  # of the four seconds that the doctor has for everything


def main(model: str = "", engine: str = ENGINES[0]) -> None:
    """Examine ``model``, or the demo's network, under an engine, and print the facts."""
    try:
        tried = Model.open(model or demo.path(), engine=engine)
        _print(network=str(tried.network.path), **_shapes(tried))
        tried.try_out()
        _print(**_golden(tried))
        spec, element = tried.card.input, tried.network.input.element
        _print(padding_exact=padding_exact(spec, element), colour_exact=colour_exact(spec, element))
        _print(frame_age_ms=oldest_frame_ms())
        _print(idle_cpu=_idle_cpu(tried))
    except PiInferError as error:
        _print(refused=str(error))


def padding_exact(spec: InputSpec, element: str = "float32") -> bool:
    """Whether rows with bytes behind them give the same tensor as rows without."""
    image = golden_frame(0, spec.size)
    height, width, _ = image.shape
    row_bytes = -(-(width * 3 + 1) // STRIDE_BYTES) * STRIDE_BYTES
    # The padding is white: where it became part of the picture, it would show.
    buffer = np.full(height * row_bytes, 255, np.uint8)
    padded = np.ndarray((height, width, 3), np.uint8, buffer, strides=(row_bytes, 3, 1))
    padded[:] = image
    prepare = Preprocessor(spec, element)
    # A copy, for the preprocessor writes every tensor into the same memory.
    return np.array_equal(prepare(image).copy(), prepare(padded))


def colour_exact(spec: InputSpec, element: str = "float32") -> bool:
    """Whether blue, green and red arrive in the channels that the card names."""
    blue, green, red = 10, 60, 200
    tensor = Preprocessor(spec, element)(np.full((*spec.size, 3), (blue, green, red), np.uint8))
    grey = 0.114 * blue + 0.587 * green + 0.299 * red
    pixels = {"BGR": (blue, green, red), "RGB": (red, green, blue), "GRAY": (grey,)}[spec.colour]
    wanted = (np.array(pixels) * spec.scale - spec.mean) / spec.std
    pixels_of = (0, 1, 2) if spec.layout == "NHWC" else (0, 2, 3)
    steps = np.abs((tensor.mean(axis=pixels_of, dtype=np.float64) - wanted) * spec.std / spec.scale)
    return bool(steps.max() < 1.0)  # grey is rounded to whole steps


def oldest_frame_ms() -> float:
    """Age of the oldest frame that a slow reader of a fast source gets."""
    newest = Newest(_FastSource())
    try:
        ages_ms = []
        for _, frame in zip(range(READS), newest, strict=False):
            ages_ms.append((time.monotonic_ns() - frame.captured_ns) / 1e6)
            time.sleep(READER_INTERVAL_S)
        return max(ages_ms)
    finally:
        newest.close()


class _FastSource:
    live = True
    limit_s = 1.0

    def __init__(self) -> None:
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        image = np.zeros((1, 1, 3), np.uint8)
        sequence = 0
        while not self._closed:
            yield Frame(image, sequence, time.monotonic_ns())
            sequence += 1
            time.sleep(FRAME_INTERVAL_S)

    def close(self) -> None:
        self._closed = True


def _shapes(model: Model) -> dict[str, object]:
    """The input's shape, and whether its size is fixed; an open batch is always run with 1."""
    form = model.network.input
    layout = layout_of(form, model.card.input.layout, model.network.path)
    return {
        "input_shape": ["free" if length is None else length for length in form.shape],
        "static": None not in form.size(layout),
    }


def _golden(model: Model) -> dict[str, object]:
    if model.card.golden is None:
        return {"golden_error": None}
    error = golden_error(model.network, model.card)
    tolerance = max(model.card.golden.tolerance, model.network.closeness)
    return {"golden_error": error, "golden_tolerance": tolerance}


def _idle_cpu(model: Model) -> float:
    """Processor seconds per second that the session's threads use between frames."""
    # Once, for the threads begin to spin after their first work.
    model(golden_frame(0, model.card.input.size))
    start = time.process_time()
    time.sleep(IDLE_S)
    return (time.process_time() - start) / IDLE_S


def _print(**facts: object) -> None:
    print(json.dumps(facts), flush=True)  # noqa: T201  our parent reads it


if __name__ == "__main__":
    main(*sys.argv[1:3])
