"""How well detectors do on a folder of images.

What is measured depends on what the folder knows: mean average precision where it has ``images`` and
``labels``; how often the best detection is of the right class where there is a subfolder for each class; and
always the agreement with the first detector, which needs no truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model.image import Placement, Tensor
from edge_runtime.postprocess.candidates import EVALUATION, Thresholds
from edge_runtime.postprocess.detections import Detections, make_detector
from export.calibrate.images import DecodedImage, ImageFolder, ImageReader
from export.calibrate.padding import SquarePadding
from export.judge.agreement import Agreement
from export.judge.average_precision import average_precision
from export.judge.box_labels import BoxFolder, TrueBoxes, find_box_folder
from export.judge.comparison import DetectorComparison, Seen
from export.judge.contestants import Feed, class_indices
from export.progress import Progress, silent

_BEST_ONLY = replace(EVALUATION, max_detections=1)


@dataclass(frozen=True)
class DetectorScore:
    """How one detector did.

    Attributes:
        model: Its file.
        map50: Mean average precision at an overlap of 0.5, 0 to 1; None without true boxes.
        map: The same, also over the overlaps 0.5, 0.55, ..., 0.95; None without true boxes.
        right_class_percent: Images whose best-scoring detection is of the image's class; None without class
            folders.
        agreement: With the first model: the F1 score of its detections, of which those of one class that
            overlap by 0.5 or more are the same; where these are few, the raw outputs count too.
    """

    model: Path
    map50: float | None
    map: float | None
    right_class_percent: float | None
    agreement: Agreement

    @property
    def agreement_percent(self) -> float:
        """Agreement with the first model: the worst of its figures."""
        return self.agreement.percent


@dataclass(frozen=True)
class DetectorEvaluation:
    """How several detectors did on the same images.

    Attributes:
        folder: Where the images lie.
        images: How many were evaluated.
        skipped: Those that could not be read.
        scores: One for each detector, in the order given.
    """

    folder: Path
    images: int
    skipped: tuple[Path, ...]
    scores: tuple[DetectorScore, ...]

    def to_document(self) -> dict[str, object]:
        """What ``evaluate --json`` writes."""
        return {
            "images": self.images,
            "folder": str(self.folder),
            "skipped": [str(path) for path in self.skipped],
            "models": [
                {
                    "model": str(score.model),
                    "map50": score.map50,
                    "map": score.map,
                    "right_class_percent": score.right_class_percent,
                    "agreement_percent": score.agreement.percent,
                    "agreement": score.agreement.to_document(),
                }
                for score in self.scores
            ],
        }


def evaluate_detectors(
    contestants: Sequence[Model],
    folder: ImageFolder,
    padding: SquarePadding | None = None,
    progress: Progress = silent,
) -> DetectorEvaluation:
    """Evaluate detectors side by side.

    Args:
        contestants: The detectors; the first is what the others are compared with.
        folder: Images; with ``images`` and ``labels`` in it, those images only.
        padding: Pads every image first; not together with true boxes, which would then lie elsewhere.
        progress: Told after each image.

    Raises:
        InputError: A decoder or a label is malformed, or the truth and the cards do not fit each other.
        ModelRefusedError: A network cannot run, gives NaN, or its outputs are not those of its decoder.
    """
    box_folder = find_box_folder(folder.root)
    if box_folder is not None and padding is not None:
        raise InputError(
            f"--pad-square does not go with true boxes: {box_folder.labels} is for the images as they are"
        )
    folder = folder if box_folder is None else box_folder.images
    classes = {} if box_folder else _class_indices(folder, contestants[0])
    thresholds = EVALUATION if box_folder else _BEST_ONLY
    runs = [_Run(contestant, thresholds) for contestant in contestants]
    comparisons = [DetectorComparison(contestants[0].network.output_names) for _ in contestants]
    truths: list[TrueBoxes] = []
    expected: list[int] = []
    reader = ImageReader(folder.files, padding)
    feed = Feed(contestants)
    for done, image in enumerate(reader, start=1):
        if box_folder is not None:
            truths.append(_true_boxes(box_folder, image, contestants[0]))
        elif classes:
            expected.append(classes[image.file.class_name or ""])
        seen = [
            run.add(tensor, feed.placement(contestant, image), image)
            for run, (contestant, tensor) in zip(runs, feed(image), strict=True)
        ]
        for comparison, own in zip(comparisons, seen, strict=True):
            comparison.add(seen[0], own)
        progress("evaluating", done + len(reader.skipped), len(folder.files))
    return DetectorEvaluation(
        folder=folder.root,
        images=len(runs[0].proposed),
        skipped=tuple(reader.skipped),
        scores=tuple(
            _score(run, comparison.agreement(), truths, expected)
            for run, comparison in zip(runs, comparisons, strict=True)
        ),
    )


def right_class_percent(proposed: Sequence[Detections], expected: Sequence[int]) -> float:
    """Images whose best-scoring detection is of the expected class; one without detections is wrong."""
    right = sum(
        len(detections) > 0 and int(detections.classes[0]) == index
        for detections, index in zip(proposed, expected, strict=True)
    )
    return 100.0 * right / len(expected)


class _Run:
    """The detections of one detector, image by image.

    Attributes:
        model: Its file.
        proposed: What it proposes by the thresholds that compare it with the truth.
    """

    def __init__(self, contestant: Model, thresholds: Thresholds) -> None:
        self.model = contestant.network.path
        self.proposed: list[Detections] = []
        self._network = contestant.network
        self._against_truth = make_detector(contestant.card, thresholds)
        self._usual = make_detector(contestant.card)

    def add(self, tensor: Tensor, placement: Placement, image: DecodedImage) -> Seen:
        """Run it on an image; what it would show on a Pi, by the thresholds of its card.

        Raises:
            ModelRefusedError: It cannot run, or gives NaN or infinite outputs.
        """
        outputs = self._network.run(tensor)
        shape = image.pixels.shape[:2]
        self.proposed.append(self._against_truth(outputs, placement, shape))
        shown = self._usual(outputs, placement, shape)
        if not shown.valid:
            raise ModelRefusedError(f"{self.model} gives NaN or infinite outputs on {image.file.path}")
        return Seen(shown, outputs)


def _score(
    run: _Run, agreement: Agreement, truths: Sequence[TrueBoxes], expected: Sequence[int]
) -> DetectorScore:
    precision = average_precision(run.proposed, truths) if truths else None
    return DetectorScore(
        model=run.model,
        map50=precision.map50 if precision else None,
        map=precision.map if precision else None,
        right_class_percent=right_class_percent(run.proposed, expected) if expected else None,
        agreement=agreement,
    )


def _class_indices(folder: ImageFolder, contestant: Model) -> Mapping[str, int]:
    """Which class each class folder stands for; empty in an unlabelled folder."""
    if not folder.labelled:
        return {}
    labels = contestant.card.labels
    return class_indices(folder, contestant.card, max(labels) + 1 if labels else len(folder.class_names))


def _true_boxes(folder: BoxFolder, image: DecodedImage, contestant: Model) -> TrueBoxes:
    truth = folder.truth(image.file.path, image.pixels.shape[:2])
    labels = contestant.card.labels
    if labels and truth.classes.max(initial=0) > max(labels):
        raise InputError(
            f"the labels of {image.file.path} name class {truth.classes.max()}, "
            f"but the model card of {contestant.network.path} ends at {max(labels)}"
        )
    return truth
