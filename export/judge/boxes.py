"""Agreement of detections: those of one class that overlap are the same."""

from edge_runtime.postprocess.boxes import iou
from edge_runtime.postprocess.detections import Detections
from export.judge.average_precision import match
from export.judge.figure import Figure, counted

AGREEMENT_IOU = 0.5
ENOUGH_DETECTIONS = 30  # of the original, for agreement on them to be the whole figure


class BoxesTally:
    """Adds up, image by image, which detections two detectors have in common.

    Attributes:
        images: Images so far.
        shown: Detections of the original.
    """

    def __init__(self) -> None:
        self.images = 0
        self.shown = 0
        self._shown_in = 0
        self._own = 0
        self._common = 0

    def add(self, original: Detections, changed: Detections) -> None:
        """Add what both detectors find in one image."""
        self.images += 1
        self.shown += len(original)
        self._shown_in += len(original) > 0
        self._own += len(changed)
        self._common += detections_in_common(changed, original)

    def figure(self) -> Figure | None:
        """The F1 score of the changed detector's detections; None where neither finds anything at all.

        Its interval takes the mean number of detections of the two for the number of cases.
        """
        total = self.shown + self._own
        if not total:
            return None
        return counted("", "same boxes and classes", 2 * self._common / 2, total / 2, self.basis())

    def basis(self) -> str:
        """On how many detections in how many images the figure rests."""
        detections = f"{self.shown} detection{'s' * (self.shown != 1)}"
        return f"of {detections} in {self._shown_in} of {self.images} images"

    def too_few(self, *, raw: bool = True) -> str | None:
        """Why agreement on these detections says little; None where there are enough of them.

        Args:
            raw: Whether the raw outputs are compared instead.
        """
        if self.shown >= ENOUGH_DETECTIONS:
            return None
        instead = ", so the variance of the raw outputs counts too" if raw else ": give images that show more"
        return (
            f"the original finds {self.shown} objects in {self._shown_in} of {self.images} images; agreement "
            f"on fewer than {ENOUGH_DETECTIONS} says little{instead}"
        )


def detections_in_common(own: Detections, reference: Detections) -> int:
    """How many detections in one image have a partner of the same class in the other list."""
    overlaps = iou(own.boxes, reference.boxes)
    overlaps[own.classes[:, None] != reference.classes[None, :]] = 0
    return int(match(overlaps, AGREEMENT_IOU).sum())
