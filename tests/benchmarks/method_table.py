"""What each way of reduction costs in accuracy: ``python tests/benchmarks/method_table.py [NETWORK ...]``.

For the trained networks in ../shared/assets: the points lost on all test images by every method, fitted on
the same calibration images, at several speed-ups (multiply-adds before over after), and then at several
ratios of storage (weights on disk before over after) for the methods that are there for that. No method is
stopped before it delivers a wreck. ``make table`` makes all of it, for hours; name networks, ``--ways`` and
``--ratios`` for a part.

With ``--keep FILE`` every figure is written there at once, and those that are there are not made again.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx

from edge_runtime.base.errors import PiInferError
from edge_runtime.base.files import write_text
from edge_runtime.inference import Model
from edge_runtime.model.network import default_threads
from export.calibrate.calibration_set import calibration_set
from export.calibrate.images import find_images
from export.calibrate.padding import SquarePadding
from export.choose.cost import MULTIPLY_ADDS, STORAGE, Measure
from export.judge.classification import ClassifierScore, evaluate_classifiers
from export.judge.detection import DetectorScore, evaluate_detectors
from export.methods import all_methods, methods_named
from export.methods.base import Method
from export.methods.channel import Channel
from export.network.card import with_card
from export.network.layers import read_network
from export.network.source import read_source
from export.progress import silent
from export.reduction.options import ReduceOptions
from export.reduction.run import open_fitter

ASSETS = Path(__file__).resolve().parents[3] / "shared" / "assets"
Scores = dict[str, float]


@dataclass(frozen=True)
class Task:
    """A network and how it is scored.

    Attributes:
        network: Its name.
        calibration: Folder of the images to fit on.
        test: Folder of the images to score on.
        padding: Of all images.
    """

    network: str
    calibration: str
    test: str
    padding: SquarePadding | None = None

    @property
    def model(self) -> Path:
        """The network's file."""
        return ASSETS / "models" / f"{self.network}.onnx"


TASKS = (
    Task("vgg19_caltech101", "caltech101/calibration", "caltech101/test"),
    Task("resnet18_imagenette", "imagenette/calibration", "imagenette/test"),
    Task("squeezenet_imagenet", "imagenette/calibration", "imagenette/test"),
    Task("gtsrb_cnn", "gtsrb/calibration", "gtsrb/test"),
    Task("facemask_ssd", "facemask/calibration", "facemask/test", SquarePadding(1.4)),
    Task("yolov5n_coco", "coco-val128/calibration", "coco-val128"),
)


@dataclass(frozen=True)
class Way:
    """A row of the table.

    Attributes:
        name: What it is called, and whose it is.
        methods: The methods on offer.
        nonlinear: Whether fits match the response after its activation.
        cost: What is to become less.
    """

    name: str
    methods: tuple[Method, ...] = field(repr=False)
    nonlinear: bool = False
    cost: Measure = MULTIPLY_ADDS


WAYS = (
    Way("SVD of the weights (Denton)", methods_named(["weight-svd"])),
    Way("CP of the weights (Denton)", methods_named(["cp"])),
    Way("Tucker-2 of the weights", methods_named(["tucker"])),
    Way("PCA of the responses (Zhang, linear)", (Channel(["linear"]),)),
    Way("asymmetric (Zhang)", (Channel(["asymmetric"]),)),
    Way("asymmetric, nonlinear (Zhang)", (Channel(["asymmetric"]),), nonlinear=True),
    Way("channel, best of all fits", (Channel(),), nonlinear=True),
    Way("channels removed (Sun's structured form; He)", methods_named(["input-channels"])),
    Way("spatial (Jaderberg)", methods_named(["spatial"])),
    Way("combined, 3d (Zhang)", methods_named(["combined"])),
    Way("auto", all_methods(), nonlinear=True),
    Way("sparse connections (Sun)", methods_named(["sparse"]), cost=STORAGE),
    Way(
        "fully connected layers (Girshick; best of all fits)",
        methods_named(["fully-connected"]),
        cost=STORAGE,
    ),
    Way("auto, by storage", all_methods(), nonlinear=True, cost=STORAGE),
)


@dataclass(frozen=True)
class Effort:
    """How much is spent on a figure.

    Attributes:
        images: Calibration images.
        every: Of the test images of a classifier, each so many-th is used.
    """

    images: int
    every: int


class Figures:
    """Scores by network, way and ratio, in a file of their own if wanted."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._all: dict[str, Scores] = json.loads(path.read_text()) if path and path.exists() else {}

    def get(self, *key: object) -> Scores | None:
        """What is there already."""
        return self._all.get("|".join(map(str, key)))

    def put(self, scores: Scores, *key: object) -> None:
        """Add a figure and write them all."""
        self._all["|".join(map(str, key))] = scores
        if self._path:
            write_text(self._path, json.dumps(self._all, indent=1))


def scores_of(models: list[Path], task: Task, every: int) -> list[Scores]:
    """Points of each network by the name of the score; a classifier's on each ``every``-th test image."""
    folder = find_images(ASSETS / "images" / task.test)
    contestants = [Model.open(model) for model in models]
    if contestants[0].card.task == "detect":
        detectors = evaluate_detectors(contestants, folder, task.padding)
        return [_points(score) for score in detectors.scores]
    classifiers = evaluate_classifiers(contestants, replace(folder, files=folder.files[::every]))
    return [_points(score) for score in classifiers.scores]


def _points(score: ClassifierScore | DetectorScore) -> Scores:
    if isinstance(score, ClassifierScore):
        points = {"top-1": score.top1_percent, "top-5": score.top5_percent}
    else:
        points = {"right class": score.right_class_percent, "mAP50": score.map50, "mAP": score.map}
    return {name: value for name, value in points.items() if value is not None}


def fill(task: Task, way: Way, ratios: list[float], effort: Effort, figures: Figures) -> None:
    """Reduce by all ratios that are not there yet, and score them together."""
    missing = [ratio for ratio in ratios if figures.get(task.network, way.name, ratio) is None]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as folder:
        made = {ratio: Path(folder) / f"{ratio}.onnx" for ratio in missing}
        reached = _reduce(task, way, made, effort.images)
        scores = scores_of([made[ratio] for ratio in reached], task, effort.every) if reached else []
    for (ratio, achieved), points in zip(reached.items(), scores, strict=True):
        figures.put(points | {"ratio": achieved}, task.network, way.name, ratio)
    for ratio in missing:
        if ratio not in reached:
            figures.put({}, task.network, way.name, ratio)


def _reduce(task: Task, way: Way, made: dict[float, Path], images: int) -> dict[float, float]:
    """Write the reduced networks; the ratio that each has. Empty if the methods find nothing to do."""
    source = read_source(task.model)
    card = source.require_card()
    network = read_network(source, card.input.size)
    files = find_images(ASSETS / "images" / task.calibration).choose(images, 0).files
    options = ReduceOptions(
        methods=way.methods,
        nonlinear=way.nonlinear,
        cost=way.cost,
        threads=default_threads(),
    )
    reached: dict[float, float] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        calibration = calibration_set(files, card.input, folder, padding=task.padding, judged=False)
        try:
            fitter = stack.enter_context(open_fitter(network, calibration, options, silent))
        except PiInferError as error:
            print(f"{task.network}, {way.name}: {error}", file=sys.stderr)
            return {}
        for ratio, path in made.items():
            reduced = fitter.reduce(fitter.decide(ratio))
            onnx.save(with_card(reduced.model, card), path)
            reached[ratio] = reduced.ratio(way.cost)
            if reached[ratio] < ratio:
                break  # the methods can do no more
    return reached


def tables(task: Task, ratios: list[float], figures: Figures) -> Iterator[str]:
    """The tables of one network in Markdown, row by row."""
    baseline = figures.get(task.network) or {}
    whole = " / ".join(f"{name} {_text(name, value)}" for name, value in baseline.items())
    for cost, title in (
        (MULTIPLY_ADDS, "speed-up in multiply-adds"),
        (STORAGE, "less storage for the weights"),
    ):
        yield f"\n**{task.network}** ({whole}), {title}: {' / '.join(baseline)} lost\n"
        yield "| | " + " | ".join(f"{ratio:g}×" for ratio in ratios) + " |"
        yield "|---" * (len(ratios) + 1) + "|"
        for way in WAYS:
            if way.cost == cost:
                cells = [
                    _cell(figures.get(task.network, way.name, ratio), baseline, ratio) for ratio in ratios
                ]
                yield f"| {way.name} | " + " | ".join(cells) + " |"


def _cell(scores: Scores | None, baseline: Scores, ratio: float) -> str:
    if not scores:
        return "-"
    lost = " / ".join(_text(name, value - scores[name]) for name, value in baseline.items())
    return lost if scores["ratio"] >= ratio else f"only {scores['ratio']:.2f}×: {lost}"


def _text(name: str, value: float) -> str:
    return f"{value:.3f}" if name.startswith("mAP") else f"{value:.2f}"


def main() -> int:
    """Print the tables asked for."""
    names = [task.network for task in TASKS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(names))
    parser.add_argument("--ratios", default="1.5,2,3,4,5", help="rising (default: 1.5,2,3,4,5)")
    parser.add_argument("--ways", default="", metavar="TEXT", help="only ways with TEXT in their names")
    parser.add_argument("--images", type=int, default=300, help="calibration images (default: 300)")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="use each N-th test image of the classifiers"
    )
    parser.add_argument("--keep", type=Path, metavar="FILE", help="figures made and to be made: a JSON file")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.networks if name not in names]
    if unknown or not ASSETS.is_dir():
        parser.error(f"no network {unknown[0]!r}" if unknown else f"{ASSETS} is not there")
    ratios = [float(value) for value in arguments.ratios.split(",")]
    figures = Figures(arguments.keep)
    effort = Effort(arguments.images, arguments.every)
    for task in TASKS:
        if arguments.networks and task.network not in arguments.networks:
            continue
        if figures.get(task.network) is None:
            figures.put(scores_of([task.model], task, effort.every)[0], task.network)
        for way in WAYS:
            if arguments.ways in way.name:
                fill(task, way, ratios, effort, figures)
        print("\n".join(tables(task, ratios, figures)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
