"""What each way of reduction costs in accuracy: ``python tests/benchmarks/method_table.py [NETWORK ...]``.

For the trained classifiers in ../shared/assets, each at several speed-ups in multiply-adds: points of top-1
and top-5 lost on all test images by every method, fitted on the same calibration images. ``make table`` makes
it for all of them and takes hours; name networks, and ``--speedups 2,4``, for a part. No method is stopped
before it delivers a wreck.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx

from edge_runtime.errors import PiInferError
from edge_runtime.session import default_threads
from export.card import require_card, with_card
from export.evaluate import Evaluation, evaluate
from export.images import ImageReader, find_images, prepare
from export.methods import all_methods, methods_named
from export.methods.base import Method
from export.methods.channel import Channel
from export.network import read_network
from export.progress import silent
from export.reduce import ReduceOptions, reduce_network

ASSETS = Path(__file__).resolve().parents[3] / "shared" / "assets"
IMAGES = {
    "vgg19_caltech101": "caltech101",
    "resnet18_imagenette": "imagenette",
    "squeezenet_imagenet": "imagenette",
    "gtsrb_cnn": "gtsrb",
}


@dataclass(frozen=True)
class Way:
    """A row of the table.

    Attributes:
        name: What it is called, and whose it is.
        methods: The methods on offer.
        nonlinear: Whether fits match the response after its activation.
    """

    name: str
    methods: tuple[Method, ...]
    nonlinear: bool = False


WAYS = (
    Way("weight SVD (Denton)", methods_named(["weight-svd"])),
    Way("response PCA (Zhang, linear)", (Channel(["linear"]),)),
    Way("asymmetric (Zhang)", (Channel(["asymmetric"]),)),
    Way("asymmetric, nonlinear (Zhang)", (Channel(["asymmetric"]),), nonlinear=True),
    Way("channel, best of all fits", (Channel(),), nonlinear=True),
    Way("spatial (Jaderberg)", methods_named(["spatial"])),
    Way("combined, 3d (Zhang)", methods_named(["combined"])),
    Way("auto", all_methods(), nonlinear=True),
)


def lost(evaluation: Evaluation) -> str:
    """Points of top-1 / top-5 that the second network lost."""
    first, second = evaluation.scores
    tops = ((first.top1_percent, second.top1_percent), (first.top5_percent, second.top5_percent))
    return " / ".join(f"{(before or 0.0) - (after or 0.0):.2f}" for before, after in tops)


def cell(name: str, way: Way, speedup: float, images: int, folder: Path) -> str:
    """One reduction and its evaluation; the reached speed-up where that is less than asked for."""
    model = ASSETS / "models" / f"{name}.onnx"
    card = require_card(model, None)
    network = read_network(model, card.input.size)
    calibration = find_images(ASSETS / "images" / IMAGES[name] / "calibration").choose(images, 0)
    tensors = (image.tensor for image in prepare(ImageReader(calibration.files), card.input))
    options = ReduceOptions(
        speedup=speedup, methods=way.methods, nonlinear=way.nonlinear, threads=default_threads()
    )
    reduction = reduce_network(network, tensors, options, silent)
    path = folder / "reduced.onnx"
    onnx.save(with_card(reduction.model, card), path)
    evaluation = evaluate([model, path], ASSETS / "images" / IMAGES[name] / "test")
    assert isinstance(evaluation, Evaluation)
    return lost(evaluation) if reduction.reached else f"only {reduction.speedup:.2f}×: {lost(evaluation)}"


def rows(name: str, speedups: list[float], images: int, folder: Path) -> Iterator[str]:
    """The table of one network in Markdown, row by row."""
    yield f"\n**{name}**, {images} calibration images: points of top-1 / top-5 lost\n"
    yield "| | " + " | ".join(f"{speedup:g}×" for speedup in speedups) + " |"
    yield "|---" * (len(speedups) + 1) + "|"
    for way in WAYS:
        cells = []
        for speedup in speedups:
            try:
                cells.append(cell(name, way, speedup, images, folder))
            except PiInferError as error:
                cells.append(str(error))
        yield f"| {way.name} | " + " | ".join(cells) + " |"


def main() -> int:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(IMAGES))
    parser.add_argument("--speedups", default="1.5,2,3,4,5", help="default: 1.5,2,3,4,5")
    parser.add_argument("--images", type=int, default=300, help="calibration images (default: 300)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.networks if name not in IMAGES]
    if unknown or not ASSETS.is_dir():
        parser.error(f"no classifier {unknown[0]!r}" if unknown else f"{ASSETS} is not there")
    speedups = [float(value) for value in arguments.speedups.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.networks or IMAGES:
            for row in rows(name, speedups, arguments.images, Path(folder)):
                print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
