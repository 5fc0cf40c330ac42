"""An even part of the samples themselves, for fits that moments are not enough for."""

import numpy as np

from export.calibrate.calibration_set import HELD_OUT_EVERY, is_held_out
from export.calibrate.patches import Samples
from export.fit.data import Pairs

PAIRS = 25_000  # twice as many gained nothing
PAIRS_BYTES = 1 << 28


class PairChooser:
    """Keeps an even part of the samples, so that they take the same memory for any number of images."""

    def __init__(self, images: int, patch_length: int) -> None:
        """Prepare to keep.

        Args:
            images: Number of images of the whole set.
            patch_length: Length of a patch.
        """
        pairs = min(PAIRS, PAIRS_BYTES // (4 * patch_length))
        self._rows = max(1, pairs // images)
        self._every = max(1, images // pairs)
        self._kept: tuple[list[tuple[Samples, Samples]], ...] = ([], [])

    def add(self, index: int, patches: Samples, responses: Samples) -> None:
        """Offer the samples of an image, of which an even part is kept.

        Args:
            index: The image's global index: see ``CalibrationSet``.
            patches: (n, c·kh·kw) float32.
            responses: (n, d) float32, wanted for the patches.
        """
        # Even over the images and over each image: no part of the set and no corner of a picture counts more.
        # In runs of HELD_OUT_EVERY images, for single ones at an even distance may all be held out, or none.
        if index // HELD_OUT_EVERY % self._every == 0:
            rows = np.unique(np.linspace(0, len(patches) - 1, min(self._rows, len(patches))).astype(int))
            self._kept[is_held_out(index)].append((patches[rows], responses[rows]))

    def pairs(self) -> Pairs | None:
        """The samples kept; None where there are none to fit on, or none to choose by."""
        if not all(self._kept):
            return None
        (fit_x, fit_y), (held_out_x, held_out_y) = (
            tuple(np.concatenate(side) for side in zip(*part, strict=True)) for part in self._kept
        )
        return Pairs(fit_x, fit_y, held_out_x, held_out_y)
