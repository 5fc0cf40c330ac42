"""From file to file: a network made ready for ncnn in float16, which a Pi 5 computes in."""

from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.base.files import require_writable
from edge_runtime.model.network import default_threads
from export.convert.for_ncnn import convert_for_ncnn
from export.judge.agreement import Agreement
from export.network.source import read_source
from export.paths import AnyPath, as_path
from export.progress import Progress, silent
from export.reduction.defaults import MAX_IMAGES, SEED
from export.reduction.preparation import card_of
from export.reduction.rounded import rounded_network


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
    source, written = read_source(as_path(model)), as_path(output)
    require_writable(written)
    made = rounded_network(
        source,
        card_of(source, as_path(card), None),  # the output may be the network itself
        as_path(images),
        "float16",
        max_drop_percent=None,
        max_images=max_images,
        threads=threads or default_threads(),
        seed=seed,
        progress=progress,
    )
    fitted = replace(source, proto=made.rounded.model)
    difference = convert_for_ncnn(fitted, written, made.card, precision="float16")
    return HalfDelivery(written, made.agreement, difference, made.skipped)
