"""How every method of ``METHODS`` is asked for what all must be able to do: the one table of it.

A method that is new to ``METHODS`` needs a line in ``FULL_RANKS`` and one in ``APPLIES``: the tests fail
without. What a method cannot promise stands in ``EXCEPTIONS``, with the reason, and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from hypothesis import strategies as st

from export.choose.cost import Cost, stored_bytes
from export.fit.data import LayerData
from export.layer import Layer
from export.methods import METHODS
from export.methods.base import Method, Replacement
from export.methods.channel import SOLVERS, Channel
from export.methods.grouped import PerGroup, part_of
from export.network.layers import ReducibleNetwork
from export.network.narrow import narrow
from tests.export.dense_networks import dense, dense_networks
from tests.export.small_networks import (
    Array,
    Geometry,
    behind_another,
    convolution,
    geometries,
    images_for,
    outputs,
    sample_layers,
    with_replacement,
)


def _matrix(layer: Layer) -> tuple[int, ...]:
    return (min(layer.out_channels, layer.patch_length),)


def _columns(layer: Layer) -> tuple[int, ...]:
    return (min(layer.in_channels * layer.kernel[0], layer.kernel[1] * layer.out_channels),)


def _columns_and_outputs(layer: Layer) -> tuple[int, ...]:
    (filters,) = _columns(layer)
    return filters, min(layer.out_channels, filters * layer.kernel[1])


#: The ranks at which a method can express any weights of a convolution of one group.
FULL_RANKS: dict[str, Callable[[Layer], tuple[int, ...]]] = {
    "channel": _matrix,
    "spatial": _columns,
    "combined": _columns_and_outputs,
    "fully-connected": _matrix,
    "input-channels": lambda layer: (layer.in_channels,),
    "sparse": lambda layer: (layer.out_channels * layer.patch_length,),
    "weight-svd": _matrix,
    "tucker": lambda layer: (layer.in_channels, layer.out_channels),
    "cp": lambda layer: (layer.out_channels * layer.patch_length,),
}

SQUARE = Geometry(6, 12, (3, 3), size=(5, 4))
TALL = Geometry(5, 9, (5, 2), (2, 1), (2, 0, 1, 1), (1, 2), (9, 6), bias=False)

#: Layers for which a method may have nothing to offer, each of them but for one thing like another.
LAYERS: dict[str, ReducibleNetwork] = {
    "square": convolution(SQUARE),
    "square, behind another": behind_another(SQUARE),
    "tall": convolution(TALL),
    "one row": convolution(Geometry(6, 12, (1, 5), pads=(0, 2, 0, 2), size=(5, 6))),
    "one column": convolution(Geometry(6, 12, (5, 1), pads=(2, 0, 2, 0), size=(6, 5))),
    "pointwise": convolution(Geometry(6, 12, (1, 1), pads=(0, 0, 0, 0), size=(5, 4))),
    "pointwise, behind another": behind_another(Geometry(6, 12, (1, 1), pads=(0, 0, 0, 0), size=(5, 4))),
    "groups": convolution(Geometry(4, 8, (3, 3), size=(7, 6), groups=3)),
    "groups, behind another": behind_another(Geometry(4, 8, (3, 3), size=(7, 6), groups=3)),
    "one channel, behind another": behind_another(Geometry(1, 12, (3, 3), size=(5, 4))),
    "one weight": convolution(Geometry(1, 1, (1, 1), pads=(0, 0, 0, 0))),
    "fully connected": dense(12, 16),
    "fully connected, of rows": dense(12, 16, rows=3),
}
CONVOLUTIONS = {"square", "square, behind another", "tall"}
ROWS = {"one row", "one column"}
POINTWISE = {"pointwise", "pointwise, behind another"}
GROUPS = {"groups", "groups, behind another"}
ONE_CHANNEL = {"one channel, behind another"}
FULLY_CONNECTED = {"fully connected", "fully connected, of rows"}

#: The layers of ``LAYERS`` for which a method offers something: to all others it does not apply, as its
#: docstring and CONTRIBUTING say why.
APPLIES: dict[str, set[str]] = {
    "channel": CONVOLUTIONS | ROWS | POINTWISE | GROUPS | ONE_CHANNEL,
    "spatial": CONVOLUTIONS | GROUPS | ONE_CHANNEL,  # one row or column has nothing to separate
    "combined": CONVOLUTIONS | GROUPS | ONE_CHANNEL,
    "fully-connected": FULLY_CONNECTED,
    # A source that it alone reads, of more than one channel, all of which one group reads.
    "input-channels": {"square, behind another", "pointwise, behind another"},
    "sparse": set(LAYERS) - {"one weight"},
    "weight-svd": set(LAYERS) - {"one weight"},
    "tucker": CONVOLUTIONS | ROWS | GROUPS | ONE_CHANNEL,  # of 1x1 it would be a channel method with a detour
    "cp": CONVOLUTIONS | GROUPS | ONE_CHANNEL,
}

#: What the candidates of a method make less; multiply-adds where it is not said.
COSTS: dict[str, Cost] = {"sparse": stored_bytes}  # zeros are multiplied all the same


@dataclass(frozen=True)
class Exceptions:
    """What a method does not promise, though the others do.

    Attributes:
        tolerance: How far the outputs at full rank may be from the original's, of the largest of them.
        largest_rank: Higher ones than this are not asked for one after another.
        of_weights: Its fit makes the error of the weights least, not that of the responses: so only that
            never grows with the rank.
        slack: By how much of the variance the training error may still grow from a rank to a higher one.
        on_all_images: Its fit uses no image, so the error is told on all, not on the held-out ones alone.
        told_before: Candidates are judged before the last step of the fit, which may move the error by as
            much as this share of it.
    """

    tolerance: float = 1e-4
    largest_rank: int = 10_000
    of_weights: bool = False
    slack: float = 1e-6
    on_all_images: bool = False
    told_before: float = 0.0


EXCEPTIONS: dict[str, Exceptions] = {
    # Alternating least squares nears the weights and never quite gets there; each rank costs its sweeps.
    "cp": Exceptions(tolerance=0.02, largest_rank=48, of_weights=True),
    # Orthogonal iteration comes after the choice of ranks.
    "tucker": Exceptions(of_weights=True, told_before=0.2),
    "weight-svd": Exceptions(on_all_images=True),
}

#: Every way of fitting: the methods as a reduction uses them, and each solver of the channel method.
WAYS: dict[str, Method] = {
    **{name: PerGroup(make()) for name, make in METHODS.items()},
    **{f"channel, {solver}": PerGroup(Channel((solver,))) for solver in SOLVERS},
}


def exceptions(way: str) -> Exceptions:
    """What a way of fitting does not promise."""
    return EXCEPTIONS.get(WAYS[way].name, Exceptions())


def networks_for(way: str) -> "st.SearchStrategy[ReducibleNetwork]":
    """Networks with a layer that a method may replace, at least at full rank."""
    applies, small = APPLIES[WAYS[way].name], way == "cp"
    drawn = geometries(3 if small else 4, (2, 3) if small else (1, 2, 3, 5, 7), (1, 1, 2, 3))
    kinds = []
    if not applies.isdisjoint(CONVOLUTIONS):
        make = convolution if "square" in applies else behind_another
        kinds.append(st.builds(make, drawn, st.integers(0, 99)).filter(lambda it: not layer_of(it).reason))
    if not applies.isdisjoint(FULLY_CONNECTED):
        kinds.append(dense_networks())
    return st.one_of(kinds)


def layer_of(network: ReducibleNetwork) -> Layer:
    """The layer to replace."""
    return next(layer for layer in network.layers if layer.output == "scores")


def full_ranks(way: str, layer: Layer) -> tuple[int, ...]:
    """The ranks of all groups together at which a method can express any weights."""
    return tuple(layer.group * rank for rank in FULL_RANKS[WAYS[way].name](part_of(layer)))


def enough_images(network: ReducibleNetwork, seed: int = 0) -> list[Array]:
    """So many that there are more samples to fit on than unknowns."""
    layer = part_of(layer_of(network))
    unknowns = max(layer.patch_length, layer.out_channels)
    return images_for(network, 10 + 4 * unknowns // min(layer.positions, 20), seed)


def samples_of(network: ReducibleNetwork, images: Sequence[Array]) -> LayerData:
    """What there is to fit the layer on."""
    return sample_layers(network, images)["scores"]


def replaced(network: ReducibleNetwork, layer: Layer, replacement: Replacement) -> onnx.ModelProto:
    """The network with its layer replaced, and without the channels that nothing reads any more."""
    model = with_replacement(network.model, layer, replacement)
    return model if replacement.candidate.inputs_read is None else narrow(model, [layer.output])


def at_ranks(network: ReducibleNetwork, data: LayerData, way: str, ranks: tuple[int, ...]) -> onnx.ModelProto:
    """The network with its layer replaced at these ranks."""
    candidate = WAYS[way].candidate(data.layer, ranks, 0.0)
    return replaced(network, data.layer, WAYS[way].fit(data, candidate))


def answers(model: onnx.ModelProto, images: Sequence[Array]) -> Array:
    """The responses at all positions of all images: (n, d)."""
    rows = [
        np.moveaxis(output[0], 0, -1).reshape(-1, output.shape[1]) if output.ndim == 4 else output
        for output in outputs(model, images)
    ]
    return np.concatenate(rows).astype(np.float64)


def relative_error(network: ReducibleNetwork, model: onnx.ModelProto, images: Sequence[Array]) -> float:
    """Squared error of all responses to these images over their variance."""
    before, after = (answers(each, images) for each in (network.model, model))
    return float(np.square(before - after).sum() / np.square(before - before.mean(axis=0)).sum())
