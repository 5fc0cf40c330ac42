"""What each layer may become: candidates from one pass over the original network, and what an error costs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from export.layer_moments import moments_bytes
from export.methods.base import LayerData, Method, Replacement
from export.network import Layer, ReducibleNetwork
from export.passes import Passes
from export.ranks import Offer
from export.sensitivity import output_changes, probe_of

PROBE_IMAGES = 32
MIN_SENSITIVITY = 1e-3
MOMENTS_BUDGET_BYTES = 1 << 30


def collect_offers(
    network: ReducibleNetwork, methods: Sequence[Method], passes: Passes, *, with_sensitivity: bool
) -> list[Offer]:
    """The candidates of every reducible layer.

    Args:
        network: The original network.
        methods: The methods on offer.
        passes: The calibration images.
        with_sensitivity: Measure how much the outputs suffer from an error in each layer.
    """
    with_patches = with_sensitivity or any(method.needs_patches for method in methods)
    offers, probes = [], {}
    for group in _groups(network.reducible, with_patches=with_patches):
        collected = passes.record(network, group, with_patches=with_patches)
        for layer in group:
            data = collected.pop(layer.output)
            offer = Offer(layer, tuple(c for method in methods for c in method.candidates(data)))
            offers.append(offer)
            if with_sensitivity and offer.candidates:
                probes[layer.name] = _fit_probe(data, offer, methods)
    return list(_weighed(network, offers, probes, passes))


def _groups(layers: Sequence[Layer], *, with_patches: bool) -> Iterator[list[Layer]]:
    """Layers in order, as many together as their moments fit in memory."""
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


def _fit_probe(data: LayerData, offer: Offer, methods: Sequence[Method]) -> Replacement:
    candidate = probe_of(offer.candidates)
    method = next(method for method in methods if method.name == candidate.method)
    return method.fit(data, candidate)


def _weighed(
    network: ReducibleNetwork, offers: Sequence[Offer], probes: dict[str, Replacement], passes: Passes
) -> Iterator[Offer]:
    """The offers with the sensitivity that their probe shows."""
    if not probes:
        yield from offers
        return
    images = passes.held_out_inputs(network, PROBE_IMAGES)
    probed = [(offer.layer, probes[offer.layer.name]) for offer in offers if offer.layer.name in probes]
    changes = output_changes(network, probed, images, passes.threads)
    for done, offer in enumerate(offers, start=1):
        passes.report("measuring sensitivities", done, len(offers))
        probe = probes.get(offer.layer.name)
        if probe is None:
            yield offer
            continue
        sensitivity = next(changes) / max(probe.relative_error, 1e-6)
        yield replace(offer, sensitivity=max(sensitivity, MIN_SENSITIVITY))
