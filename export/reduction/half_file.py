"""From file to file: a network made ready for ncnn in float16, which a Pi 5 computes in."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.base.errors import TargetUnmetError
from edge_runtime.base.names import readable
from edge_runtime.model.network import default_threads
from export.calibrate.calibration_set import JUDGED_EVERY, calibration_set
from export.calibrate.images import find_images
from export.convert.for_ncnn import convert_for_ncnn
from export.judge.agreement import Agreement
from export.judge.judge import Judge
from export.network.source import read_source
from export.paths import AnyPath, as_path
from export.precision.eight_bits import require_float
from export.precision.half import SUMS_ROUND_TOO, fitted_for_half, rounded_to_half
from export.progress import Progress, silent
from export.reduction.defaults import MAX_IMAGES, SANE_DROP_PERCENT, SEED
from export.reduction.preparation import card_of, readied, versions


@dataclass(frozen=True)
class HalfDelivery:
    """What ``convert_to_half`` hands back.

    Attributes:
        path: The file written.
        agreement: Of the network, rounded to float16 between its operators, with itself in float32, on images
            that did not set its range.
        difference: The largest between both engines' outputs here, relative to the output's largest value.
        skipped: Images that could not be read.
    """

    path: Path
    agreement: Agreement
    difference: float
    skipped: tuple[Path, ...]


def convert_to_half(
    model: AnyPath,
    images: AnyPath,
    output: AnyPath,
    *,
    max_images: int = MAX_IMAGES,
    card: AnyPath | None = None,
    threads: int | None = None,
    seed: int = SEED,
    progress: Progress = silent,
) -> HalfDelivery:
    """Write a network that ncnn runs in float16 where the processor can, and in float32 elsewhere.

    Where its values go beyond float16, they are scaled by powers of two, which changes no digit.

    Args:
        model: An ONNX file of a network in float32, reduced or not.
        images: A folder of calibration images, to see how large its values become.
        output: The file to write.
        max_images: At most so many images are used; a quarter as many others only judge.
        card: A JSON file with a model card that takes the place of the network's own.
        threads: Threads to use; all processors if None.
        seed: Chooses images.
        progress: Told what is under way.

    Raises:
        InputError: A file, the folder, an image set or the card is bad, or ncnn is not installed.
        ModelRefusedError: The network cannot be converted, or goes beyond float16 where it cannot be scaled.
        TargetUnmetError: Rounding to float16 costs more than ten points of agreement.
    """
    threads = threads or default_threads()
    source, written = read_source(as_path(model)), as_path(output)
    require_float(source.proto, str(source.path))
    own_card = card_of(source, as_path(card), None)
    source, own_card, network = readied(source, own_card)
    chosen = find_images(as_path(images)).choose(max_images * JUDGED_EVERY // (JUDGED_EVERY - 1), seed)
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        calibration = calibration_set(
            chosen.files, own_card.input, Path(folder), element=source.input.element, progress=progress
        )
        judge = Judge(own_card, network.model, calibration.apart, threads)
        fitted = fitted_for_half(network, calibration.fit, threads=threads, progress=progress)
        agreement = judge(rounded_to_half(network, fitted)).with_notes([SUMS_ROUND_TOO])
    loss = agreement.loss_percent(SANE_DROP_PERCENT, surely=False)
    if loss > SANE_DROP_PERCENT:
        raise TargetUnmetError(
            f"in float16 the network loses {loss:.1f} points of agreement: keep it in float32"
        )
    earlier = {} if own_card.provenance is None else {"source_provenance": own_card.provenance}
    provenance = {
        **earlier,
        "source": readable(source.path.name),
        "source_sha256": source.sha256,
        "precision": "float16",
        "agreement_percent": agreement.percent,
        "images": len(calibration.fit),
        "seed": seed,
        "versions": versions(),
    }
    difference = convert_for_ncnn(
        replace(source, proto=fitted), written, replace(own_card, provenance=provenance), precision="float16"
    )
    return HalfDelivery(written, agreement, difference, (*chosen.skipped, *calibration.skipped))
