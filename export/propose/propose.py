"""The card that a network's file suggests."""

from export.network.source import SourceModel
from export.propose.facts import look_at
from export.propose.fields import Proposal
from export.propose.guesses import guessed
from export.propose.ultralytics import from_ultralytics, image_size, is_ultralytics


def propose(source: SourceModel) -> Proposal:
    """Propose a card, from the exporter's metadata where they say enough, else by the network's shapes.

    Raises:
        InputError: The network leaves its size free and runs with none of the usual ones, or its metadata are
            malformed.
        ModelRefusedError: The network takes no image, or cannot run.
    """
    if is_ultralytics(source.metadata):
        return from_ultralytics(look_at(source, image_size(source.metadata)))
    return guessed(look_at(source))
