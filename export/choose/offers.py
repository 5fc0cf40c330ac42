"""What each layer may become: candidates from one pass over the original network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from export.calibrate.layer_moments import moments_bytes
from export.calibrate.passes import Passes
from export.choose.spectrum import Energy, spectrum
from export.layer import Layer
from export.methods.base import Candidate, Method
from export.network.layers import ReducibleNetwork
from export.network.topology import followed_by

MOMENTS_BUDGET_BYTES = 1 << 30  # beyond it layers wait for the next stretch of the pass


@dataclass(frozen=True)
class Offer:
    """The candidates that the methods offer for one layer.

    Attributes:
        layer: The layer.
        candidates: Its replacements; it may also stay as it is.
        last: Whether no other layer follows, to make up for its errors.
        energy: How much of its responses lies in few dimensions; empty where that is not known.
    """

    layer: Layer
    candidates: tuple[Candidate, ...]
    last: bool = False
    energy: tuple[Energy, ...] = ()


def collect_offers(network: ReducibleNetwork, methods: Sequence[Method], passes: Passes) -> list[Offer]:
    """Collect the candidates of every layer, with the error each would make in the original network.

    Args:
        network: The original network.
        methods: The ways a layer may be replaced.
        passes: Not begun yet; have recorded the original responses afterwards.

    Returns:
        An offer for each layer, in order; one without candidates where a layer cannot be reduced.

    Raises:
        ModelRefusedError: The network cannot be run, or computes NaN or infinite values.
    """
    with_patches = any(method.needs_patches for method in methods)
    candidates: dict[str, tuple[Candidate, ...]] = {}
    energy: dict[str, tuple[Energy, ...]] = {}
    followed = followed_by(network.model, {layer.output for layer in network.layers})
    for group in _groups(network.reducible, with_patches=with_patches):
        collected = passes.record(network, group, with_patches=with_patches)
        for layer in group:
            data = collected.pop(layer.output)
            candidates[layer.output] = tuple(c for method in methods for c in method.candidates(data))
            energy[layer.output] = spectrum(data)
    return [
        Offer(
            layer,
            candidates.get(layer.output, ()),
            last=layer.output not in followed,
            energy=energy.get(layer.output, ()),
        )
        for layer in network.layers
    ]


def _groups(layers: Sequence[Layer], *, with_patches: bool) -> Iterator[list[Layer]]:
    """Put layers into groups, in order, each of as many as have their moments fit in memory together."""
    group: list[Layer] = []
    size = 0
    for layer in layers:
        need = moments_bytes(layer, with_patches=with_patches)
        if group and size + need > MOMENTS_BUDGET_BYTES:
            yield group
            group, size = [], 0
        group.append(layer)
        size += need
    yield group
