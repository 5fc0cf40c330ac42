"""Grey borders around evaluation images that show an object cut out too tightly for a detector."""

from dataclasses import dataclass

import cv2

from edge_runtime.model.image import Image, as_image

MAX_FACTOR = 16.0


@dataclass(frozen=True)
class SquarePadding:
    """Puts an image in the middle of a grey square.

    Attributes:
        factor: Side of the square over the longer side of the image, 1 to 16.
        grey: Its value, 0 to 255.
    """

    factor: float
    grey: int = 127

    def __call__(self, image: Image) -> Image:
        """The padded copy of an (H, W, 3) image."""
        height, width = image.shape[:2]
        side = round(self.factor * max(height, width))
        top, left = (side - height) // 2, (side - width) // 2
        padded = cv2.copyMakeBorder(
            image,
            top,
            side - height - top,
            left,
            side - width - left,
            cv2.BORDER_CONSTANT,
            value=(self.grey,) * 3,
        )
        return as_image(padded)


def parse_padding(text: str) -> SquarePadding:
    """Read ``FACTOR`` or ``FACTOR:GREY``, such as ``1.4:127``.

    Raises:
        ValueError: It is neither, or out of range.
    """
    factor, separator, grey = text.partition(":")
    padding = SquarePadding(float(factor), int(grey) if separator else SquarePadding.grey)
    if not (1 <= padding.factor <= MAX_FACTOR and 0 <= padding.grey <= 255):
        raise ValueError(f"{text!r} is not a factor from 1 to {MAX_FACTOR:g} and a grey from 0 to 255")
    return padding
