"""How much an error in one layer's response disturbs the network's outputs.

A relative error of 1 % in an early layer may be smoothed away or ruin everything; the loss that rank choice
minimises weighs it by what is measured here: each layer alone is replaced by a probe, and the change of the
outputs on a few images is taken relative to the probe's own error.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_runtime.session import open_bytes
from export.activations import Activation
from export.methods.base import Candidate, Replacement
from export.network import Layer, ReducibleNetwork
from export.rewrite import replace_layer

Outputs = list[NDArray[np.float32]]

PROBE_ERROR = 0.03


def probe_of(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate whose error is nearest to a typical one, on a logarithmic scale."""
    return min(candidates, key=lambda c: abs(np.log((c.relative_error + 1e-9) / PROBE_ERROR)))


def output_changes(
    network: ReducibleNetwork,
    probes: Iterable[tuple[Layer, Replacement]],
    images: Sequence[Activation],
    threads: int,
) -> Iterator[float]:
    """Relative squared change of the outputs for each probe, one layer replaced at a time.

    Args:
        network: The original network.
        probes: A layer and what to put in its place.
        images: Inputs to compare on.
        threads: Threads for onnxruntime.

    Yields:
        Mean over the outputs' channels of the squared change over the channel's variance.
    """
    original = _outputs(network.model, network.input_name, images, threads)
    for layer, replacement in probes:
        model = replace_layer(network.model, layer, replacement)
        yield relative_change(original, _outputs(model, network.input_name, images, threads))


def relative_change(original: Sequence[Outputs], changed: Sequence[Outputs]) -> float:
    """Squared difference of two sets of outputs over the variance, averaged over channels and outputs.

    Outputs that never vary, as on a single image, are compared with their mean square instead.
    """
    changes = []
    for before, after in zip(zip(*original, strict=True), zip(*changed, strict=True), strict=True):
        reference, other = (
            np.concatenate([a.reshape(-1, a.shape[-1]) for a in side]).astype(np.float64)
            for side in (before, after)
        )
        change = ((reference - other) ** 2).mean(axis=0)
        variance = reference.var(axis=0)
        alive = variance > max(1e-12 * float(variance.max()), 1e-30)
        if alive.any():
            changes.append(np.mean(change[alive] / variance[alive]))
        else:
            changes.append(change.mean() / max(float((reference**2).mean()), 1e-30))
    return float(np.mean(changes))


def _outputs(
    model: onnx.ModelProto, input_name: str, images: Sequence[Activation], threads: int
) -> list[Outputs]:
    session = open_bytes(model.SerializeToString(), threads)
    return [session.run(None, {input_name: image}) for image in images]
