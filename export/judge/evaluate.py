"""How well networks do on a folder of images: what ``pi-export evaluate`` tells."""

from collections.abc import Sequence
from dataclasses import replace

from edge_runtime.base.errors import InputError
from export.calibrate.images import find_images
from export.calibrate.padding import SquarePadding
from export.judge.classification import ClassifierEvaluation, evaluate_classifiers
from export.judge.contestants import open_contestant
from export.judge.detection import DetectorEvaluation, evaluate_detectors
from export.judge.raw import RawEvaluation, evaluate_raw
from export.paths import AnyPath, as_path
from export.progress import Progress, silent

Evaluation = ClassifierEvaluation | DetectorEvaluation | RawEvaluation


def evaluate(
    models: Sequence[AnyPath],
    images: AnyPath,
    threads: int | None = None,
    card: AnyPath | None = None,
    *,
    progress: Progress = silent,
    padding: SquarePadding | None = None,
) -> Evaluation:
    """Evaluate networks side by side.

    Args:
        models: ONNX files of the same task; the first is what the others are compared with.
        images: A folder of images, with a subfolder for each class if it is labelled; for detectors also one
            with ``images`` and ``labels`` in it.
        threads: Threads within one inference; all processors if None.
        card: A JSON file with a model card that takes the place of each network's own.
        progress: Told after each image.
        padding: Pads every image first.

    Returns:
        By the cards' task: a ``DetectorEvaluation`` (``detect``), a ``RawEvaluation`` (``raw``), or a
        ``ClassifierEvaluation``.

    Raises:
        InputError: A file, the folder or a card is bad, or they do not fit each other.
        ModelRefusedError: A network cannot run, or its outputs are not those of its card's task.
    """
    folder = find_images(as_path(images))
    contestants = [open_contestant(as_path(model), as_path(card), threads) for model in models]
    for contestant in contestants:
        contestant.try_out()  # what its card is wrong about shows before any image is read
    tasks = {contestant.card.task for contestant in contestants}
    if len(tasks) > 1:
        raise InputError(f"models of different tasks cannot be compared: {', '.join(sorted(tasks))}")
    evaluation: Evaluation
    if tasks == {"detect"}:
        evaluation = evaluate_detectors(contestants, folder, padding, progress)
    elif tasks == {"raw"}:
        evaluation = evaluate_raw(contestants, folder, padding, progress)
    else:
        evaluation = evaluate_classifiers(contestants, folder, padding, progress)
    return replace(evaluation, skipped=(*folder.skipped, *evaluation.skipped))
