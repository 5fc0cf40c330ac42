"""From file to file: a network and a folder of images in, the same network in int8 with its card out."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import TargetUnmetError
from edge_runtime.base.names import readable
from edge_runtime.inference import Model
from edge_runtime.model.card import ModelCard
from edge_runtime.model.network import default_threads
from export.calibrate.calibration_set import JUDGED_EVERY, calibration_set
from export.calibrate.images import find_images
from export.judge.agreement import Agreement
from export.judge.judge import Judge
from export.judge.output_shapes import require_comparable
from export.network.card import completed, write_with_card
from export.network.source import SourceModel, read_source, serialised
from export.paths import AnyPath, as_path
from export.precision.eight_bits import require_float
from export.precision.quantiser import Quantised, Quantiser
from export.progress import Progress, silent
from export.reduction.defaults import MAX_IMAGES, SANE_DROP_PERCENT, SEED
from export.reduction.preparation import card_of, readied, versions
from export.reduction.sense import require_count, require_percent


@dataclass(frozen=True)
class QuantisedDelivery:
    """What ``quantise`` hands back.

    Attributes:
        path: The file written; None if none was asked for.
        card: The card in it.
        quantised: The network.
        agreement: With the network in float, on images apart.
        skipped: Images that could not be read.
        bytes_before: Size of the network as a file.
        bytes_after: The same in int8: of the file written, its card included.
    """

    path: Path | None
    card: ModelCard
    quantised: Quantised
    agreement: Agreement
    skipped: tuple[Path, ...]
    bytes_before: int
    bytes_after: int

    def to_document(self, max_drop_percent: float) -> dict[str, Any]:
        """What was done, as plain data: what ``quantise --json`` writes.

        Args:
            max_drop_percent: Agreement that could be lost.
        """
        return {
            **(self.card.provenance or {}),
            "agreement_percent": self.agreement.percent,
            "agreement": self.agreement.to_document(),
            "doubts": self.agreement.doubts(max_drop_percent),
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
            "skipped": [str(path) for path in self.skipped],
        }


def quantise(
    model: AnyPath,
    images: AnyPath,
    output: AnyPath | None = None,
    *,
    max_drop_percent: float | None = None,
    max_images: int = MAX_IMAGES,
    card: AnyPath | None = None,
    threads: int | None = None,
    seed: int = SEED,
    progress: Progress = silent,
) -> QuantisedDelivery:
    """Write a network in int8, for onnxruntime.

    Args:
        model: An ONNX file of a network in float32, reduced or not.
        images: A folder of calibration images.
        output: The file to write; None to write none.
        max_drop_percent: Agreement with the network in float that may be lost on images apart; 10 if None.
        max_images: At most so many images are used; a quarter as many others only judge.
        card: A JSON file with a model card that takes the place of the network's own.
        threads: Threads to use; all processors if None.
        seed: Chooses images.
        progress: Told what is under way.

    Raises:
        InputError: A file, the folder, an image set or the card is bad, or they do not fit each other.
        ModelRefusedError: The network has no layer for int8, or cannot run.
        TargetUnmetError: In int8 it loses more than may be lost.
    """
    require_percent("max_drop_percent", max_drop_percent)
    for name, number, least in (("max_images", max_images, 1), ("threads", threads, 1), ("seed", seed, 0)):
        require_count(name, number, least)
    surely, allowed = max_drop_percent is not None, max_drop_percent
    if allowed is None:
        allowed = SANE_DROP_PERCENT
    threads = threads or default_threads()
    source, written = read_source(as_path(model)), as_path(output)
    own_card = card_of(source, as_path(card), written)
    require_float(source.proto, str(source.path))
    source, own_card, network = readied(source, own_card)
    original = source.network(threads)
    completed(own_card, original)
    require_comparable(Model(original, own_card), source.proto)
    chosen = find_images(as_path(images)).choose(max_images * JUDGED_EVERY // (JUDGED_EVERY - 1), seed)
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        calibration = calibration_set(
            chosen.files, own_card.input, Path(folder), element=source.input.element, progress=progress
        )
        judge = Judge(own_card, network.model, calibration.apart, threads)
        judge.require_something()
        quantiser = Quantiser(calibration.fit, threads=threads, progress=progress)
        quantised = quantiser(network.model, {row.output: row.macs for row in network.rows})
        agreement = judge(quantised.model)
    loss = agreement.loss_percent(allowed, surely=surely)
    if loss > allowed:
        raise TargetUnmetError(
            f"in int8 the network loses {loss:.1f} points of agreement, more than {allowed:g}: keep it in "
            "float, or allow more with --max-drop"
        )
    provenance = _provenance(source, own_card, quantised, agreement, seed)
    own_card = replace(own_card, provenance=provenance)
    if written is not None:
        own_card = write_with_card(quantised.model, own_card, written)
    return QuantisedDelivery(
        written,
        own_card,
        quantised,
        agreement,
        (*chosen.skipped, *calibration.skipped),
        len(serialised(source.proto, source.path)),
        len(serialised(quantised.model, source.path)) if written is None else written.stat().st_size,
    )


def _provenance(
    source: SourceModel, card: ModelCard, quantised: Quantised, agreement: Agreement, seed: int
) -> dict[str, Any]:
    """What the card keeps of how the network came about: nothing that differs from run to run."""
    earlier = {} if card.provenance is None else {"source_provenance": card.provenance}
    return {
        **earlier,
        "source": readable(source.path.name),
        "source_sha256": source.sha256,
        "precision": "int8",
        "int8": quantised.to_document(),
        "agreement_percent": agreement.percent,
        "seed": seed,
        "versions": versions(),
    }
