"""From a model card to what reads its network's outputs."""

from edge_runtime.model.card import ModelCard
from edge_runtime.postprocess.base import Postprocessor
from edge_runtime.postprocess.wanted import EVERYTHING, Wanted


def make_postprocessor(card: ModelCard, wanted: Wanted = EVERYTHING) -> Postprocessor:
    """The postprocessor for the card's task; only its module is loaded.

    Args:
        card: Tells the task.
        wanted: Which results to give.

    Raises:
        InputError: The card asks for a detection head that does not exist, or describes it wrongly.
    """
    if card.task == "classify":
        from edge_runtime.postprocess.classify import Classifier  # noqa: PLC0415

        return Classifier(card, wanted=wanted)
    if card.task == "detect":
        from edge_runtime.postprocess.detections import make_detector  # noqa: PLC0415

        return make_detector(card, wanted=wanted)
    from edge_runtime.postprocess.raw import Raw  # noqa: PLC0415

    return Raw()
