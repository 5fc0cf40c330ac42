"""A network of a file in fewer bits, judged by images that did not set its ranges; nothing is reduced."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.base.errors import TargetUnmetError
from edge_runtime.base.names import readable
from edge_runtime.model.card import ModelCard
from export.calibrate.calibration_set import JUDGED_EVERY, calibration_set
from export.calibrate.images import find_images
from export.judge.agreement import Agreement
from export.judge.judge import Judge
from export.network.source import SourceModel
from export.precision.eight_bits import require_float
from export.precision.rounding import Rounded, Rounding
from export.progress import Progress
from export.reduction.defaults import SANE_DROP_PERCENT
from export.reduction.preparation import readied, require_sound, versions


@dataclass(frozen=True)
class RoundedNetwork:
    """A network in fewer bits, not yet written.

    Attributes:
        rounded: The network.
        card: Its card, with how it came about.
        agreement: With the network in float32, on images apart.
        skipped: Images that could not be read.
    """

    rounded: Rounded
    card: ModelCard
    agreement: Agreement
    skipped: tuple[Path, ...]


def rounded_network(
    source: SourceModel,
    card: ModelCard,
    images: Path,
    precision: str,
    *,
    max_drop_percent: float | None,
    max_images: int,
    threads: int,
    seed: int,
    progress: Progress,
) -> RoundedNetwork:
    """Bring a network into a precision, and judge it in that.

    Args:
        source: The network in float32.
        card: Its card.
        images: A folder of calibration images.
        precision: ``int8`` or ``float16``.
        max_drop_percent: Agreement that may be lost, judged by the lower end of its interval; if None 10,
            judged by itself.
        max_images: At most so many images are used; a quarter as many others only judge.
        threads: Threads to use.
        seed: Chooses images.
        progress: Told what is under way.

    Raises:
        InputError: The folder, an image set or the card is bad, or they do not fit each other.
        ModelRefusedError: The network cannot run, or not be written so.
        TargetUnmetError: It loses more than may be lost.
    """
    require_float(source.proto, str(source.path))
    source, card, network = readied(source, card)
    require_sound(source, card, threads)
    chosen = find_images(images).choose(max_images * JUDGED_EVERY // (JUDGED_EVERY - 1), seed)
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        calibration = calibration_set(
            chosen.files, card.input, Path(folder), element=source.input.element, progress=progress
        )
        judge = Judge(card, network.model, calibration.apart, threads)
        judge.require_something()
        rounded = Rounding(precision, calibration.fit, threads=threads, progress=progress)(network)
        agreement = judge(rounded.judged).with_notes(rounded.doubts)
    allowed = SANE_DROP_PERCENT if max_drop_percent is None else max_drop_percent
    loss = agreement.loss_percent(allowed, surely=max_drop_percent is not None)
    if loss > allowed:
        raise TargetUnmetError(
            f"in {precision} the network loses {loss:.1f} points of agreement, more than {allowed:g}: "
            "keep it in float32"
        )
    provenance = {
        **({} if card.provenance is None else {"source_provenance": card.provenance}),
        "source": readable(source.path.name),
        "source_sha256": source.sha256,
        "precision": precision,
        "int8": rounded.int8.to_document() if rounded.int8 else None,
        "agreement_percent": agreement.percent,
        "images": len(calibration.fit),
        "seed": seed,
        "versions": versions(),
    }
    skipped = (*chosen.skipped, *calibration.skipped)
    return RoundedNetwork(rounded, replace(card, provenance=provenance), agreement, skipped)
