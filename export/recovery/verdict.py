"""How near a network is to the original: by agreement and by divergence, never by labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_runtime.model.card import ModelCard
from edge_runtime.model.image import Outputs
from export.judge.agreement import Agreement
from export.judge.comparison import comparison_for
from export.judge.variance import VarianceTally
from export.recovery.heads import Reader, head_loss, reader_of


@dataclass(frozen=True)
class Verdict:
    """How near a network is to the original.

    Attributes:
        agreement: On what they agree.
        divergence: How far the outputs are apart: of scores in nats; of boxes the loss of ``heads``, for each
            object; of others the squared error over what they vary by, of the worst output.
        unit: Of the divergence.
    """

    agreement: Agreement
    divergence: float
    unit: str

    def better_than(self, other: "Verdict") -> bool:
        """Whether the outputs are nearer than another's, and agreement is no worse."""
        return self.agreement.percent >= other.agreement.percent and self.divergence < other.divergence

    def to_document(self) -> dict[str, Any]:
        """Both as plain data; keys may be added in later releases, but none changes."""
        return {
            "agreement": self.agreement.to_document(),
            "divergence": self.divergence if np.isfinite(self.divergence) else None,
            "unit": self.unit,
        }

    def words(self) -> str:
        """Both in a few words."""
        return f"{self.agreement.percent:.1f} % agreement, divergence {self.divergence:.2g} {self.unit}"


def compare(
    card: ModelCard, names: Sequence[str], originals: Iterable[Outputs], changed: Iterable[Outputs]
) -> Verdict:
    """Compare a network's outputs with the original's, image by image.

    Args:
        card: Of the original.
        names: Of the outputs.
        originals: The original's outputs for each image, at least one.
        changed: The network's for the same images.

    Raises:
        InputError: They cannot be compared.
    """
    comparison = comparison_for(card, names)
    tally = _Boxes(reader) if (reader := reader_of(card)) else _Values(names)
    for original, other in zip(originals, changed, strict=True):
        comparison.add(original, other)
        tally.add(original, other)
    agreement = comparison.agreement()
    if agreement.divergence is not None:
        return Verdict(agreement, agreement.divergence, "nats")
    return Verdict(agreement, tally.divergence(), tally.unit)


class _Boxes:
    """How far a detector's candidates are apart."""

    unit = "for each object"

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._losses: list[float] = []

    def add(self, original: Outputs, changed: Outputs) -> None:
        """Add both networks' outputs for one image."""
        teacher, student = (
            self._reader([torch.from_numpy(output) for output in outputs]) for outputs in (original, changed)
        )
        self._losses.append(float(head_loss(teacher, student)))

    def divergence(self) -> float:
        """The mean over the images."""
        return float(np.mean(self._losses))


class _Values:
    """How much outputs of no known meaning miss of what they vary by."""

    unit = "of the variance"

    def __init__(self, names: Sequence[str]) -> None:
        self._tallies = [VarianceTally(name) for name in names]

    def add(self, original: Outputs, changed: Outputs) -> None:
        """Add both networks' outputs for one image."""
        for tally, one, other in zip(self._tallies, original, changed, strict=True):
            if _comparable(one, other):
                tally.add(one, other)

    def divergence(self) -> float:
        """That of the worst output."""
        return max(tally.missed() for tally in self._tallies)


def _comparable(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether both are numbers of one shape: boxes that a network suppressed itself may be more or fewer."""
    return one.shape == other.shape and np.issubdtype(one.dtype, np.floating)
