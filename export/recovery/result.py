"""What a recovery came to: in words, and as a document."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.model.card import ModelCard
from export.recovery.training import Trained
from export.recovery.verdict import Verdict


@dataclass(frozen=True)
class Recovery:
    """What ``recover`` hands back.

    Attributes:
        path: The file written; None if none was asked, or if the network did not get better.
        card: The card in it; that of the reduced network where nothing was written.
        before: How near the reduced network was to the original, on images kept apart.
        after: How near it is now.
        training: How the training went.
        images: Trained on.
        seconds: Taken in all.
        skipped: Images that could not be read.
    """

    path: Path | None
    card: ModelCard
    before: Verdict
    after: Verdict
    training: Trained
    images: int
    seconds: float
    skipped: tuple[Path, ...]

    @property
    def delivered(self) -> bool:
        """Whether the outputs came nearer to the original's, and agreement did not get worse."""
        return self.after.better_than(self.before)

    def words(self) -> str:
        """What it came to, in three lines."""
        where = "" if self.path is None else f"{self.path}: "
        how = "interrupted after" if self.training.interrupted else "trained for"
        why = "; the loss was no number at any rate" if self.training.gave_up else ""
        return (
            f"before: {self.before.words()}\nafter:  {self.after.words()}, on {self.after.agreement.images} "
            f"images kept apart\n{where}{how} {self.training.epochs:.3g} passes over {self.images} images; "
            f"{self.seconds / 60:.1f} minutes in all{why}"
        )

    def to_document(self) -> dict[str, Any]:
        """The recovery as plain data; keys may be added in later releases, but none changes."""
        return {
            "output": None if self.path is None else str(self.path),
            "delivered": self.delivered,
            "before": self.before.to_document(),
            "after": self.after.to_document(),
            "epochs": self.training.epochs,
            "batch": self.training.batch,
            "interrupted": self.training.interrupted,
            "gave_up": self.training.gave_up,
            "images": self.images,
            "seconds": self.seconds,
            "skipped": [str(path) for path in self.skipped],
            "provenance": self.card.provenance,
        }
