"""How far the last layers of a network in int8 lie from the original: to choose between ways to write it.

The last layers, and not the outputs of the network: those mix probabilities with pixels, and what is hardly
ever other than zero, in which the smallest error is large against the spread.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_runtime.model.engines.onnxruntime import open_bytes
from edge_runtime.model.image import Tensor
from export.network.topology import with_outputs

MAPS = 5  # axes of maps of several images

#: For each tensor its values for all images: (images, 1, channels, ...).
Responses = Sequence[NDArray[np.float32]]


def responses_on(
    model: onnx.ModelProto, names: Sequence[str], inputs: Iterable[Tensor], threads: int
) -> Responses:
    """What a network computes at some tensors for each input.

    Raises:
        ModelRefusedError: onnxruntime refuses the network.
    """
    session = open_bytes(with_outputs(model, names).SerializeToString(), threads)
    image = model.graph.input[0].name
    values = [session.run(list(names), {image: tensor}) for tensor in inputs]
    return [np.stack(each) for each in zip(*values, strict=True)]


def relative_error(original: Responses, changed: Responses) -> float:
    """Squared error over the variance within each channel: the mean over the tensors."""
    errors = []
    for before, after in zip(original, changed, strict=True):
        channels = 2 if before.ndim >= MAPS else before.ndim - 1
        over = tuple(axis for axis in range(before.ndim) if axis != channels)
        spread = np.square(before - before.mean(axis=over, keepdims=True), dtype=np.float64).sum()
        squared = np.square(after - before, dtype=np.float64).sum()
        errors.append(squared / spread if spread > 0 else float(squared > 0))
    return float(np.mean(errors))
