"""How far networks whose outputs are not decoded agree: maps, landmarks, sequences, anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.inference import Model
from edge_runtime.model.image import Outputs, Tensor
from export.calibrate.images import DecodedImage, ImageFolder, ImageReader
from export.calibrate.padding import SquarePadding
from export.judge.agreement import Agreement
from export.judge.comparison import OutputComparison
from export.judge.contestants import Feed
from export.progress import Progress, silent


@dataclass(frozen=True)
class RawScore:
    """How far one network agrees.

    Attributes:
        model: Its file.
        agreement: With the first model, output by output.
    """

    model: Path
    agreement: Agreement

    @property
    def agreement_percent(self) -> float:
        """Agreement with the first model: the worst of its figures."""
        return self.agreement.percent


@dataclass(frozen=True)
class RawEvaluation:
    """How far several networks agree on the same images.

    Attributes:
        folder: Where the images lie.
        images: How many were evaluated.
        skipped: Those that could not be read.
        scores: One for each network, in the order given.
    """

    folder: Path
    images: int
    skipped: tuple[Path, ...]
    scores: tuple[RawScore, ...]

    def to_document(self) -> dict[str, Any]:
        """What ``evaluate --json`` writes."""
        return {
            "images": self.images,
            "folder": str(self.folder),
            "skipped": [str(path) for path in self.skipped],
            "models": [
                {
                    "model": str(score.model),
                    "agreement_percent": score.agreement.percent,
                    "agreement": score.agreement.to_document(),
                }
                for score in self.scores
            ],
        }


def evaluate_raw(
    contestants: Sequence[Model],
    folder: ImageFolder,
    padding: SquarePadding | None = None,
    progress: Progress = silent,
) -> RawEvaluation:
    """Compare networks whose outputs have no decoder, output by output.

    Args:
        contestants: The networks; the first is what the others are compared with.
        folder: Images; class folders say nothing here.
        padding: Pads every image first.
        progress: Told after each image.

    Raises:
        InputError: Not one image can be read, or outputs cannot be compared.
        ModelRefusedError: A network cannot run, gives NaN, or has other outputs than the first.
    """
    first = contestants[0]
    for contestant in contestants:
        if len(contestant.network.output_names) != len(first.network.output_names):
            raise ModelRefusedError(
                f"{contestant.network.path} has {len(contestant.network.output_names)} outputs, but "
                f"{first.network.path} has {len(first.network.output_names)}: they cannot be compared"
            )
    comparisons = [OutputComparison(first.card, first.network.output_names) for _ in contestants]
    reader = ImageReader(folder.files, padding)
    feed = Feed(contestants)
    images = 0
    for images, image in enumerate(reader, start=1):
        outputs = [_finite(contestant, tensor, image) for contestant, tensor in feed(image)]
        for comparison, own in zip(comparisons, outputs, strict=True):
            comparison.add(outputs[0], own)
        progress("evaluating", images + len(reader.skipped), len(folder.files))
    return RawEvaluation(
        folder=folder.root,
        images=images,
        skipped=tuple(reader.skipped),
        scores=tuple(
            RawScore(contestant.network.path, comparison.agreement())
            for contestant, comparison in zip(contestants, comparisons, strict=True)
        ),
    )


def _finite(contestant: Model, tensor: Tensor, image: DecodedImage) -> Outputs:
    outputs = contestant.network.run(tensor)
    if not all(np.isfinite(values).all() for values in outputs):
        raise ModelRefusedError(
            f"{contestant.network.path} gives NaN or infinite outputs on {image.file.path}"
        )
    return outputs
