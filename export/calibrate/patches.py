"""Input patches of a layer at a few random output positions."""

import numpy as np
from numpy.typing import NDArray

from export.layer import Layer

Positions = NDArray[np.intp]
Samples = NDArray[np.float32]


def sample_positions(layer: Layer, count: int, seed: int, layer_index: int, image_index: int) -> Positions:
    """Random distinct output positions, the same ones for the same seed, layer and image.

    Args:
        layer: The layer.
        count: How many, if it has as many.
        seed: Chooses the positions.
        layer_index: The layer's place among all of its network.
        image_index: The image's global index.

    Returns:
        (n, 2) rows and columns, n the smaller of ``count`` and the number of positions.
    """
    generator = np.random.default_rng((seed, layer_index, image_index))
    chosen = generator.choice(layer.positions, min(count, layer.positions), replace=False)
    return np.stack(np.divmod(np.sort(chosen), layer.output_size[1]), axis=1)


def extract_patches(
    layer: Layer, activation: NDArray[np.float32], positions: Positions
) -> NDArray[np.float32]:
    """The patches the layer sees at some output positions.

    Args:
        layer: The layer.
        activation: Its input: (1, c, H, W) float32, or (rows, c) of a fully connected layer.
        positions: (n, 2) rows and columns of its output.

    Returns:
        (n, c * kh * kw) float32, laid out like a row of the weights; of a grouped convolution group after
        group.
    """
    if layer.fully_connected:
        return activation[positions[:, 0]]
    top, left, bottom, right = layer.pads
    padded = np.pad(activation[0], ((0, 0), (top, bottom), (left, right)))
    rows, columns = (
        positions[:, axis, None] * layer.stride[axis] + layer.dilation[axis] * np.arange(layer.kernel[axis])
        for axis in (0, 1)
    )
    patches = padded[:, rows[:, :, None], columns[:, None, :]]
    return patches.transpose(1, 0, 2, 3).reshape(len(positions), -1)


def responses_at(layer: Layer, response: NDArray[np.float32], positions: Positions) -> NDArray[np.float32]:
    """What a tensor holds at some of a layer's positions.

    Args:
        layer: The layer.
        response: A tensor of the shape of the layer's output: (1, d, H, W) float32, or (rows, d).
        positions: (n, 2) rows and columns of that output.

    Returns:
        (n, d) float32.
    """
    if layer.fully_connected:
        return response[positions[:, 0]]
    values: NDArray[np.float32] = response[0][:, positions[:, 0], positions[:, 1]].T
    return values
