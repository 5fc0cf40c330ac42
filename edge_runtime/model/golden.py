"""Does a network, on this machine, do what its card says? Its input's form, and a known answer.

The known answer ("golden output") was computed where the card was written. The frame it belongs to is drawn
from a seed at exactly the input's size, so no resizing takes part and only the network itself is compared.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.card import Golden, ModelCard
from edge_runtime.model.image import Image, Outputs
from edge_runtime.model.input_form import fitted
from edge_runtime.model.network import Network
from edge_runtime.model.preprocess import Preprocessor

SAMPLES_PER_OUTPUT = 64
NUMERIC_TYPES = frozenset(
    f"tensor({name})" for name in ("float", "float16", "double", "int32", "int64", "uint8")
)


def fitted_card(network: Network, card: ModelCard) -> ModelCard:
    """The card, completed by the layout of the input, once it is known to suit the network.

    Raises:
        ModelRefusedError: The network takes no image or several at once, or gives no numbers.
        InputError: The layout, channels, size or normalisation that the card says are not the network's.
    """
    for output in network.outputs:
        if output.type not in NUMERIC_TYPES:
            raise ModelRefusedError(f"{network.path}: output {output.name!r} is a {output.type}, not numbers")
    return replace(card, input=fitted(card.input, network.input, network.path))


def golden_frame(seed: int, size: tuple[int, int]) -> Image:
    """The frame that a golden output belongs to: noise.

    Args:
        seed: The golden output's.
        size: Height and width in pixels, of the card's input.

    Returns:
        (height, width, 3) uint8.
    """
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def golden_of(network: Network, card: ModelCard, seed: int = 0) -> Golden:
    """Compute the golden output of a network.

    Args:
        network: The network.
        card: Its card, with or without such an output.
        seed: Draws the frame.

    Raises:
        InputError: The card does not fit the network.
        ModelRefusedError: The network cannot run, or gives NaN or infinite values.
    """
    outputs = _outputs(network, card, seed)
    if not all(np.all(np.isfinite(output)) for output in outputs):
        raise ModelRefusedError(f"{network.path} gives NaN or infinite outputs")
    return Golden(
        seed=seed,
        shapes=tuple(output.shape for output in outputs),
        samples=tuple(tuple(_samples(output).tolist()) for output in outputs),
    )


def golden_error(network: Network, card: ModelCard) -> float:
    """How far this machine's answer lies from the golden output.

    Returns:
        The largest difference over all outputs, each relative to its output's largest golden value;
        infinite where shapes differ or the answer is not finite.

    Raises:
        InputError: The card has no golden output, or does not fit the network.
        ModelRefusedError: The network cannot run.
    """
    golden = card.golden
    if golden is None:
        raise InputError(
            f"the model card of {network.path} has no golden output; write it with 'pi-export card'"
        )
    outputs = _outputs(network, card, golden.seed)
    if tuple(output.shape for output in outputs) != golden.shapes:
        return math.inf
    return max(
        _relative_error(_samples(output), np.asarray(samples))
        for output, samples in zip(outputs, golden.samples, strict=True)
    )


def _outputs(network: Network, card: ModelCard, seed: int) -> Outputs:
    spec = fitted_card(network, card).input
    return network.run(Preprocessor(spec, network.input.element)(golden_frame(seed, spec.size)))


def _samples(output: NDArray[np.float32]) -> NDArray[np.float64]:
    count = min(SAMPLES_PER_OUTPUT, output.size)
    return output.reshape(-1)[np.linspace(0, output.size - 1, count).astype(np.int64)].astype(np.float64)


def _relative_error(answer: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    if not np.all(np.isfinite(answer)) or answer.shape != expected.shape:
        return math.inf
    largest = float(np.max(np.abs(expected), initial=0.0))
    return float(np.max(np.abs(answer - expected), initial=0.0)) / (largest or 1.0)
