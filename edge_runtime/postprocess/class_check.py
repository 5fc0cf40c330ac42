"""The classes that a card names, against those that its network turns out to have."""

import logging

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard
from edge_runtime.postprocess.wanted import EVERYTHING, Wanted

log = logging.getLogger(__name__)


class ClassCheck:
    """Called with each frame's number of classes; says once where it is odd, and stops where it is wrong.

    Attributes:
        named: How many classes the network must have at least: one more than the highest that is named.
    """

    def __init__(self, card: ModelCard, wanted: Wanted = EVERYTHING) -> None:
        """Prepare to check.

        Args:
            card: May name some of the classes only.
            wanted: May ask for a class by a number that the card does not name.
        """
        self.named = max(card.labels, default=-1) + 1 if card.labels else 0
        self._all_named = self.named == len(card.labels or ())
        self._last_wanted = max(wanted.classes or (), default=-1)
        self._warned = False

    def __call__(self, given: int) -> None:
        """Check the number of classes for which the network gives a score.

        Raises:
            InputError: The card names more, or one is asked for that does not exist.
        """
        if self.named > given:
            raise InputError(
                f"the model card names {self.named} classes but the network gives {given} scores: "
                "correct its labels with 'pi-export card'"
            )
        if self._last_wanted >= given:
            raise InputError(f"there is no class {self._last_wanted}: the network has {given}, from 0 on")
        if 0 < self.named < given and self._all_named and not self._warned:
            self._warned = True
            log.warning(
                "the model card names %d classes but the network gives %d scores: is each name in its place?",
                self.named,
                given,
            )
