"""How near a network is to the original: by agreement and by divergence, never by labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.model.card import ModelCard
from edge_runtime.model.image import Outputs
from export.judge.agreement import Agreement
from export.judge.comparison import comparison_for
from export.judge.variance import VarianceTally


@dataclass(frozen=True)
class Verdict:
    """How near a network is to the original.

    Attributes:
        agreement: On what they agree.
        divergence: How far the outputs are apart: of scores in nats, of others the squared error over what
            they vary by, of the worst output.
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
    missed = [VarianceTally(name) for name in names]
    for original, other in zip(originals, changed, strict=True):
        comparison.add(original, other)
        for tally, one, two in zip(missed, original, other, strict=True):
            if one.shape == two.shape and np.issubdtype(one.dtype, np.floating):
                tally.add(one, two)
    agreement = comparison.agreement()
    if agreement.divergence is not None:
        return Verdict(agreement, agreement.divergence, "nats")
    return Verdict(agreement, max(tally.missed() for tally in missed), "of the variance")
