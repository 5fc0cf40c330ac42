"""Pictures and tensors as arrays, and where a picture lies in a tensor: words that all folders share.

Nothing heavy is imported here, so that what only speaks of pictures (results, outputs) loads no OpenCV.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A picture: (H, W, 3) uint8, blue, green, red, as OpenCV decodes.
Image = NDArray[np.uint8]

#: A network's input, (1, channels, height, width) or (1, height, width, channels), of the type that it takes.
Tensor = NDArray[np.float32 | np.float16 | np.uint8]

#: A network's outputs for a batch of one, in the network's own order.
Outputs = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class Placement:
    """Where the frame lies in the network's input: ``input = frame * scale + offset``, per axis.

    Attributes:
        scale_x: Input pixels per frame pixel, horizontally.
        scale_y: Input pixels per frame pixel, vertically.
        offset_x: Input column of the frame's left edge; negative where the frame is cropped.
        offset_y: Input row of the frame's upper edge; negative where the frame is cropped.
    """

    scale_x: float
    scale_y: float
    offset_x: int
    offset_y: int


def as_image(array: NDArray[Any]) -> Image:
    """What OpenCV returned, as the 8-bit picture that it is: the same array, nothing is copied."""
    return np.asarray(array, np.uint8)
