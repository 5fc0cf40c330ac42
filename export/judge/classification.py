"""How well classifiers do on a folder of images: accuracy where it is labelled, agreement with the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model.golden import golden_frame
from edge_runtime.model.image import Outputs
from edge_runtime.postprocess.classify import scores_index
from export.calibrate.images import DecodedImage, ImageFolder, ImageReader
from export.calibrate.padding import SquarePadding
from export.judge.agreement import Agreement
from export.judge.comparison import OutputComparison
from export.judge.contestants import Feed, class_indices
from export.progress import Progress, silent

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class ClassifierScore:
    """How one classifier did.

    Attributes:
        model: Its file.
        top1_percent: Images whose class scored highest; None without labels.
        top5_percent: Images whose class was among the five highest; None without labels.
        agreement: With the first model.
    """

    model: Path
    top1_percent: float | None
    top5_percent: float | None
    agreement: Agreement

    @property
    def agreement_percent(self) -> float:
        """Agreement with the first model: the worst of its figures."""
        return self.agreement.percent


@dataclass(frozen=True)
class ClassifierEvaluation:
    """How several classifiers did on the same images.

    Attributes:
        folder: Where the images lie.
        images: How many were evaluated.
        skipped: Those that could not be read.
        scores: One for each classifier, in the order given.
    """

    folder: Path
    images: int
    skipped: tuple[Path, ...]
    scores: tuple[ClassifierScore, ...]

    def top1_drop(self, score: ClassifierScore) -> float | None:
        """Points of top-1 lost against the first model."""
        return _drop(self.scores[0].top1_percent, score.top1_percent)

    def top5_drop(self, score: ClassifierScore) -> float | None:
        """Points of top-5 lost against the first model."""
        return _drop(self.scores[0].top5_percent, score.top5_percent)

    def to_document(self) -> dict[str, object]:
        """What ``evaluate --json`` writes."""
        return {
            "images": self.images,
            "folder": str(self.folder),
            "skipped": [str(path) for path in self.skipped],
            "models": [
                {
                    "model": str(score.model),
                    "top1_percent": score.top1_percent,
                    "top5_percent": score.top5_percent,
                    "top1_drop_points": self.top1_drop(score),
                    "top5_drop_points": self.top5_drop(score),
                    "agreement_percent": score.agreement.percent,
                    "agreement": score.agreement.to_document(),
                }
                for score in self.scores
            ],
        }


def evaluate_classifiers(
    contestants: Sequence[Model],
    folder: ImageFolder,
    padding: SquarePadding | None = None,
    progress: Progress = silent,
) -> ClassifierEvaluation:
    """Evaluate classifiers side by side.

    Args:
        contestants: The classifiers; the first is what the others are compared with.
        folder: Images, of known classes if there is a subfolder for each.
        padding: Pads every image first.
        progress: Told after each image.

    Raises:
        InputError: Not one image can be read, class folders are those of no class, or the classifiers
            differ in their number of classes.
        ModelRefusedError: A network cannot run, or gives scores that are not finite.
    """
    classes = _common_class_count(contestants)
    truth = class_indices(folder, contestants[0].card, classes) if folder.labelled else {}
    tallies = [_Tally(contestant, contestants[0]) for contestant in contestants]
    reader = ImageReader(folder.files, padding)
    feed = Feed(contestants)
    for done, image in enumerate(reader, start=1):
        expected = truth.get(image.file.class_name or "")
        outputs = [contestant.network.run(tensor) for contestant, tensor in feed(image)]
        for tally, own in zip(tallies, outputs, strict=True):
            tally.add(own, outputs[0], expected, image)
        progress("evaluating", done + len(reader.skipped), len(folder.files))
    return ClassifierEvaluation(
        folder=folder.root,
        images=tallies[0].images,
        skipped=tuple(reader.skipped),
        scores=tuple(tally.score(labelled=folder.labelled) for tally in tallies),
    )


def rank_of(scores: Scores, index: int) -> int:
    """How many classes come before class ``index``: higher scores, and equal ones of lower index.

    So exactly one class comes first, whatever the scores: the one that ``argmax`` finds, as the Pi does.
    """
    own = scores[index]
    return int(np.sum(scores > own) + np.sum(scores[:index] == own))


class _Tally:
    """Running counts of one network."""

    def __init__(self, contestant: Model, first: Model) -> None:
        self.images = 0
        self._contestant = contestant
        self._first = first
        self._top1 = 0
        self._top5 = 0
        names = first.network.output_names
        self._whole = len(contestant.network.output_names) == len(names)
        self._comparison = OutputComparison(first.card, names if self._whole else ("scores",))

    def add(self, outputs: Outputs, first: Outputs, expected: int | None, image: DecodedImage) -> None:
        scores = class_scores(self._contestant, outputs)
        if not np.all(np.isfinite(scores)):
            path = self._contestant.network.path
            raise ModelRefusedError(f"{path} gives NaN or infinite scores on {image.file.path}")
        self.images += 1
        if self._whole:
            self._comparison.add(first, outputs)
        else:  # another kind of network: only the scores stand for the same thing
            own, reference = (
                values.astype(np.float32) for values in (scores, class_scores(self._first, first))
            )
            self._comparison.add([reference], [own])
        if expected is not None:
            rank = rank_of(scores, expected)
            self._top1 += rank < 1
            self._top5 += rank < 5

    def score(self, *, labelled: bool) -> ClassifierScore:
        def percent(count: int) -> float:
            return 100.0 * count / self.images

        return ClassifierScore(
            model=self._contestant.network.path,
            top1_percent=percent(self._top1) if labelled else None,
            top5_percent=percent(self._top5) if labelled else None,
            agreement=self._comparison.agreement(),
        )


def class_scores(classifier: Model, outputs: Outputs) -> Scores:
    """A score for each class, as the Pi reads them from a classifier's outputs.

    A single score that decides between yes and no, or that class folders are known for, becomes two.
    """
    scores = outputs[scores_index(outputs, classifier.card)].reshape(-1).astype(np.float64)
    if scores.size != 1:
        return scores
    (yes,) = scores
    probability = yes if 0 <= yes <= 1 else 1 / (1 + np.exp(-yes))
    return np.array([1 - probability, probability])


def _common_class_count(contestants: Sequence[Model]) -> int:
    counts = []
    for contestant in contestants:  # asked of a run, for the file may leave the shape of its output free
        frame = golden_frame(0, contestant.card.input.size)
        counts.append(class_scores(contestant, contestant.network.run(contestant.preprocess(frame))).size)
    for contestant, count in zip(contestants, counts, strict=True):
        if count != counts[0]:
            first = contestants[0].network.path
            raise InputError(f"{contestant.network.path} has {count} classes, but {first} has {counts[0]}")
    return counts[0]


def _drop(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after
