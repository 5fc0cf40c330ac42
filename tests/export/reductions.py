"""Reducing small networks, for the tests of that."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.calibrate.calibration_set import calibration_of
from export.choose.selection import Decision
from export.layer import Layer
from export.methods.base import Method
from export.methods.channel import Channel
from export.methods.combined import Combined
from export.methods.spatial import Spatial
from export.network.layers import ReducibleNetwork, network_of
from export.progress import Progress, silent
from export.reduction.options import ReduceOptions
from export.reduction.result import Reduction
from export.reduction.run import reduce_network
from tests.export.small_networks import (
    Array,
    count_macs,
    images_for,
)

COUNT = 12
FACTORS = (Channel(), Spatial(), Combined())  # what a layer becomes costs nothing elsewhere
PROJECT = Path(__file__).resolve().parents[2]


def reduce(
    model: onnx.ModelProto, images: int = COUNT, decision: Decision | None = None, **options: object
) -> Reduction:
    """Reduce on random images of the network's own size, or of 16x16."""
    found = network_of(model, size_of(model), "it")
    return reduce_on(found, images_for(found, images), decision=decision, **options)


def reduce_on(
    found: ReducibleNetwork,
    images: Iterable[Array],
    progress: Progress = silent,
    decision: Decision | None = None,
    **options: object,
) -> Reduction:
    """Reduce a network on these inputs."""
    chosen = ReduceOptions(**options)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        calibration = calibration_of(images, Path(folder))
        return reduce_network(found, calibration, chosen, progress, decision=decision)


def size_of(model: onnx.ModelProto) -> tuple[int, int]:
    height, width = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:])
    return height or 16, width or 16


def full_rank(method: Method, layer: Layer) -> tuple[int, ...]:
    filters = min(layer.in_channels * layer.kernel[0], layer.kernel[1] * layer.out_channels)
    ranks = {
        "channel": (min(layer.out_channels, layer.patch_length),),
        "spatial": (filters,),
        "combined": (filters, layer.out_channels),
    }
    return ranks[method.name]


def at_full_rank(found: ReducibleNetwork, images: Sequence[Array], method: Method) -> Reduction:
    """Every convolution that can be reduced replaced, and nothing lost."""
    layers = [layer for layer in found.reducible if not layer.fully_connected]
    decision = {layer.output: method.candidate(layer, full_rank(method, layer), 0.0) for layer in layers}
    reduction = reduce_on(found, images, decision=decision, methods=(method,), nonlinear=False)
    replaced = [layer.method for layer in reduction.layers if layer.output in decision]
    assert replaced == [method.name] * len(decision)
    return reduction


def assert_report_is_true(model: onnx.ModelProto, reduction: Reduction) -> None:
    """Totals and layers agree with what is counted in the graphs."""
    before, after = (count_macs(m, size_of(m)) for m in (model, reduction.model))
    assert sum(layer.macs_before for layer in reduction.layers) == before
    assert sum(layer.macs_after for layer in reduction.layers) == after
    assert reduction.speedup == pytest.approx(before / after)
    weights = {tensor.name: int(np.prod(tensor.dims)) for tensor in reduction.model.graph.initializer}
    nodes = [node for node in reduction.model.graph.node if node.op_type == "Conv"]
    parameters = sum(weights[name] for node in nodes for name in node.input[1:])
    assert sum(layer.parameters_after for layer in reduction.layers if layer.op_type == "Conv") == parameters
    for layer in reduction.layers:
        changed = layer.method is not None
        assert changed == (layer.solver is not None) == (layer.reason is None) == (layer.ranks is not None)
        assert changed == (layer.relative_error is not None)
        narrowed = layer.reason is not None and layer.reason.startswith("narrowed")
        assert layer.macs_after <= layer.macs_before
        assert (changed or narrowed) == (layer.macs_after < layer.macs_before)


def weight_of(model: onnx.ModelProto, layer: str) -> Array:
    """The weights of the first node of what stands for a layer."""
    node = next(node for node in model.graph.node if node.name.startswith(layer))
    return next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == node.input[1])
