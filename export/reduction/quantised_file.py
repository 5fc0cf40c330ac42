"""From file to file: a network and a folder of images in, the same network in int8 with its card out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.model.card import ModelCard
from edge_runtime.model.network import default_threads
from export.judge.agreement import Agreement
from export.network.card import write_with_card
from export.network.source import read_source, serialised
from export.paths import AnyPath, as_path
from export.precision.quantiser import Quantised
from export.progress import Progress, silent
from export.reduction.defaults import MAX_IMAGES, SEED
from export.reduction.preparation import card_of
from export.reduction.rounded import rounded_network
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
    source, written = read_source(as_path(model)), as_path(output)
    made = rounded_network(
        source,
        card_of(source, as_path(card), written),
        as_path(images),
        "int8",
        max_drop_percent=max_drop_percent,
        max_images=max_images,
        threads=threads or default_threads(),
        seed=seed,
        progress=progress,
    )
    own_card, network = made.card, made.rounded.model
    if written is not None:
        own_card = write_with_card(network, own_card, written)
    return QuantisedDelivery(
        written,
        own_card,
        made.rounded.require_int8(),
        made.agreement,
        made.skipped,
        len(serialised(source.proto, source.path)),
        len(serialised(network, source.path)) if written is None else written.stat().st_size,
    )
