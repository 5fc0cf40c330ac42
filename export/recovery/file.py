"""From file to file: a reduced network and its original in, the same network with better weights out."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import torch

from edge_runtime.base.errors import InputError
from edge_runtime.base.names import readable
from edge_runtime.model.card import ModelCard
from edge_runtime.model.ncnn_form import METADATA_KEY as NCNN_KEY
from edge_runtime.model.network import default_threads
from export.calibrate.calibration_set import JUDGED_EVERY, CalibrationSet, calibration_set
from export.calibrate.images import find_images
from export.calibrate.inputs import KeptInputs
from export.choose.profile import write_for
from export.judge.judge import Judge
from export.methods.base import thin
from export.network.engine_form import with_form
from export.network.source import SourceModel, read_source
from export.paths import AnyPath, as_path
from export.progress import Progress, silent
from export.recovery.alike import require_alike
from export.recovery.heads import reader_of
from export.recovery.held_out import HeldOut
from export.recovery.hints import DetectorLoss, Hints, shared_responses
from export.recovery.network import TorchNetwork
from export.recovery.pair import Pair, images_chosen, read_pair
from export.recovery.pictures import Pictures
from export.recovery.result import Recovery
from export.recovery.schedule import Length, usual_length
from export.recovery.training import Trained, Trainer
from export.recovery.verdict import compare
from export.reduction.defaults import SEED
from export.reduction.preparation import card_of, versions
from export.reduction.sense import require_count

HELD_OUT_EVERY = 10  # of the images to fit on
HELD_OUT_IMAGES = 50
LEAST_IMAGES = 20
AT_ONCE = 16  # images in memory with all of a network's responses to them


def recover(
    reduced: AnyPath,
    teacher: AnyPath,
    images: AnyPath,
    output: AnyPath | None = None,
    *,
    epochs: int | None = None,
    minutes: float | None = None,
    card: AnyPath | None = None,
    threads: int | None = None,
    seed: int = SEED,
    progress: Progress = silent,
) -> Recovery:
    """Train a reduced network to respond as its original does, without labels.

    Only weights change: graph, names, card and metadata stay as they are. The images are parted as ``reduce``
    parted them, so the result is judged by images that neither it nor the training has seen. Ctrl-C ends the
    training, and the best so far is judged and written.

    Args:
        reduced: The reduced network, an ONNX file with a card.
        teacher: The network it was made of.
        images: The folder of images that it was reduced on.
        output: The file to write; None to write none. It is written only if the network got better.
        epochs: Passes over the images; if neither this nor ``minutes`` is given 30, of fewer than 200 images
            more.
        minutes: Instead: how long to train.
        card: A JSON file with a model card that takes the place of the network's own.
        threads: Threads to use; all processors if None.
        seed: Decides what the training sees of the images, and when.
        progress: Told what is under way.

    Returns:
        What it came to; ``delivered`` says whether the network got better.

    Raises:
        InputError: A file, the folder or the card is bad, there are too few images, or the two networks are
            not of one origin.
        ModelRefusedError: A network cannot run, or holds an operator that cannot be trained here.
    """
    started_s = time.monotonic()
    length = _length(epochs, minutes)
    for name, number, least in (("threads", threads, 1), ("seed", seed, 0)):
        require_count(name, number, least)
    threads = threads or default_threads()
    source, original, target = read_source(as_path(reduced)), read_source(as_path(teacher)), as_path(output)
    own_card = card_of(source, as_path(card), target)
    precision = (own_card.provenance or {}).get("precision", "float32")
    if precision != "float32":
        raise InputError(f"{source.path} was made for {precision}: recover it in float32, then convert it")
    pair = read_pair(original, source, own_card)
    files = find_images(as_path(images)).choose(*images_chosen(own_card))
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder, _torch_threads(threads):
        calibration = calibration_set(
            files.files, pair.card.input, Path(folder), element=source.input.element, progress=progress
        )
        judge = Judge(pair.card, pair.teacher, calibration.apart, threads)
        answers = list(judge.outputs(pair.teacher))
        names = [value.name for value in pair.teacher.graph.output]
        before = compare(pair.card, names, answers, judge.outputs(pair.student))
        student, training, trained_on = _train(pair, calibration, length, seed, progress)
        after = compare(pair.card, names, answers, judge.outputs(student))
    recovery = Recovery(
        path=None,
        card=own_card,
        before=before,
        after=after,
        training=training,
        images=trained_on,
        seconds=time.monotonic() - started_s,
        skipped=(*files.skipped, *calibration.skipped),
    )
    if target is None or not recovery.delivered:
        return recovery
    complete = replace(own_card, provenance=_provenance(source, original, own_card, recovery, seed=seed))
    # A form for ncnn holds weights of its own, the old ones: it is made anew.
    engine = "ncnn" if NCNN_KEY in source.metadata else "onnxruntime"
    written = write_for(engine, with_form(student, None), complete, target)
    return replace(recovery, path=target, card=written)


def _train(
    pair: Pair, calibration: CalibrationSet, length: Length | None, seed: int, progress: Progress
) -> tuple[onnx.ModelProto, Trained, int]:
    """The trained network, how that went, and on how many images."""
    split = _Split.of(calibration.fit)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    teacher = TorchNetwork(pair.teacher, pair.teacher_name, device)
    student = TorchNetwork(pair.student, pair.student_name, device)
    pictures = Pictures(
        calibration.fit,
        split.trained_on,
        pair.card.input,
        seed=seed,
        mosaics=pair.card.task == "detect",
    )
    batches = list(pictures.plain(split.held_out, AT_ONCE))
    for network, model in ((teacher, pair.teacher), (student, pair.student)):
        require_alike(network, model, batches[0][:2])
    first = batches[0].to(device)
    shared = shared_responses(teacher, student, first[:2])
    if not shared:
        raise InputError(
            f"{pair.student_name} shares no responses with {pair.teacher_name}: give the network it was "
            "reduced from"
        )
    with torch.no_grad():
        hints = Hints(shared, teacher(first, shared))
    reader = reader_of(pair.card)
    loss = DetectorLoss(hints, reader, teacher.output_names) if reader else hints
    check = HeldOut(pair.card, teacher, batches)
    training = Trainer(teacher, student, loss, pictures=pictures, check=check, progress=progress).run(
        length or usual_length(len(split.trained_on))
    )
    return student.written(training.weights), training, len(split.trained_on)


@dataclass(frozen=True)
class _Split:
    """Which images to train on, and which few choose the best state: places among those to fit on."""

    trained_on: list[int]
    held_out: list[int]

    @classmethod
    def of(cls, inputs: KeptInputs) -> "_Split":
        """Raise ``InputError`` if there are too few."""
        if len(inputs) < LEAST_IMAGES:
            raise InputError(
                f"{len(inputs)} images to train on, beside those kept apart to judge by, are too few: "
                f"give at least {LEAST_IMAGES * JUDGED_EVERY // (JUDGED_EVERY - 1)} in all"
            )
        places = list(range(len(inputs)))
        held_out = thin(places[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY], HELD_OUT_IMAGES)
        return cls([place for place in places if place not in set(held_out)], list(held_out))


def _length(epochs: int | None, minutes: float | None) -> Length | None:
    """How long to train; None where it was not said."""
    if epochs is not None and minutes is not None:
        raise InputError("give epochs or minutes, not both")
    require_count("epochs", epochs, 1)
    if minutes is None:
        return None if epochs is None else Length(epochs=epochs)
    if not 0 < minutes < float("inf"):
        raise InputError(f"minutes must be a number above 0, not {minutes!r}")
    return Length(minutes=minutes)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Have torch use so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _provenance(
    source: SourceModel, original: SourceModel, card: ModelCard, recovery: Recovery, *, seed: int
) -> dict[str, Any]:
    """What the card keeps of this step."""
    earlier = {} if card.provenance is None else {"source_provenance": card.provenance}
    return {
        **earlier,
        "source": readable(source.path.name),
        "source_sha256": source.sha256,
        "teacher": readable(original.path.name),
        "teacher_sha256": original.sha256,
        "agreement_percent": recovery.after.agreement.percent,
        "epochs": round(recovery.training.epochs, 3),
        "images": recovery.images,
        "seed": seed,
        "versions": {**versions(), "torch": str(torch.__version__)},
    }
