"""The card that a network's file suggests."""

from export.network.source import SourceModel
from export.propose.facts import look_at, single_image
from export.propose.fields import Proposal
from export.propose.guesses import guessed
from export.propose.ultralytics import from_ultralytics, image_size, is_ultralytics


def propose(source: SourceModel) -> tuple[Proposal, SourceModel]:
    """Propose a card, from the exporter's metadata where they say enough, else by the network's shapes.

    Returns:
        The proposal, and the network that it is for: the source itself, or one that takes a single image
        where that takes several at once.

    Raises:
        InputError: The network leaves its size free and runs with none of the usual ones, or its metadata are
            malformed.
        ModelRefusedError: The network takes no image, or cannot run.
    """
    said = image_size(source.metadata)
    source = single_image(source, said)
    facts = look_at(source, said)
    return (from_ultralytics(facts) if is_ultralytics(source.metadata) else guessed(facts)), source
