"""Agreement of a changed network with the original: the figure, what it rests on, and what to doubt."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from export.judge.figure import Figure, cases_needed

#: vgg19_caltech101 is 99.2 % sure of images it was trained on and 86.3 % of its test images, gtsrb_cnn 96.2 %
#: of its test images.
TRAINED_ON_SURENESS_PERCENT = 98.0


@dataclass(frozen=True)
class Agreement:
    """How far a changed network agrees with the original.

    Attributes:
        figures: Those that count, at least one.
        notes: Why further figures count than one would expect.
        images: Images compared on.
        divergence: Mean Kullback-Leibler divergence of the changed network's probabilities, in nats; None
            where the outputs are no scores.
        sureness_percent: Mean highest probability that the original gives; None where there are no scores.
    """

    figures: tuple[Figure, ...]
    notes: tuple[str, ...]
    images: int
    divergence: float | None
    sureness_percent: float | None

    @property
    def worst(self) -> Figure:
        """The figure that decides: the lowest of those that count."""
        return min(self.figures, key=lambda figure: figure.percent)

    @property
    def percent(self) -> float:
        """The agreement in percent: the lowest of the figures that count."""
        return self.worst.percent

    def loss_percent(self, max_drop_percent: float, *, surely: bool) -> float:
        """What is lost, to be compared with what may be.

        Args:
            max_drop_percent: What may be lost.
            surely: Take the lower end of the interval for the agreement, wherever the images are enough for
                the lower end to lie so high; where they are not, ``doubts`` says so.
        """
        worst = self.worst
        strict = surely and worst.enough_for(max_drop_percent)
        return 100.0 - (worst.low_percent if strict else worst.percent)

    def words(self) -> str:
        """The agreement, its 95 % confidence interval, and what it rests on."""
        worst = self.worst
        return (
            f"{worst.percent:.1f} % agreement ({worst.low_percent:.1f} to {worst.high_percent:.1f} with 95 % "
            f"confidence): {worst.words()}"
        )

    def with_notes(self, notes: Iterable[str]) -> Self:
        """The agreement with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def doubts(self, max_drop_percent: float) -> list[str]:
        """What a reader should know before trusting the figure of a reduction, a sentence each.

        Args:
            max_drop_percent: What was to be lost at most.
        """
        doubts = list(self.notes)
        if self.images == 1:
            doubts.append(
                "a single image was compared, so how outputs differ between images was not seen: give more"
            )
        if not self.worst.enough_for(max_drop_percent):
            doubts.append(
                f"what was compared is too little to be 95 % sure of a loss of at most {max_drop_percent:g} "
                f"points: it takes {cases_needed(max_drop_percent) or 'all'} cases that all agree, and there "
                f"are {self.worst.cases:g}"
            )
        if (self.sureness_percent or 0.0) >= TRAINED_ON_SURENESS_PERCENT:
            doubts.append(
                f"the original is {self.sureness_percent:.1f} % sure of these images on average, as networks "
                "are of those that they were trained on: on new ones the agreement may be worse"
            )
        return doubts

    def to_document(self) -> dict[str, Any]:
        """The agreement as plain data; keys may be added in later releases, but none changes."""
        return {
            "percent": self.percent,
            "low_percent": self.worst.low_percent,
            "high_percent": self.worst.high_percent,
            "rests_on": self.worst.words(),
            "images": self.images,
            "divergence_nats": self.divergence,
            "sureness_percent": self.sureness_percent,
            "figures": [figure.to_document() for figure in self.figures],
            "notes": list(self.notes),
        }
