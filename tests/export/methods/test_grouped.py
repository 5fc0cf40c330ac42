"""Grouped convolutions: each group by itself; what holds for every layer is in ``test_methods``."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from export.calibrate.layer_moments import moments_bytes
from export.methods import METHODS, methods_named
from export.network.layers import ReducibleNetwork, network_of
from tests.attacks.networks import model_of
from tests.export.methods.ways import APPLIES, WAYS, at_ranks, samples_of
from tests.export.reductions import reduce_on
from tests.export.small_networks import Geometry, convolution, count_macs, images_for, outputs

GROUPS = 2
PAIR = Geometry(4, 8, (3, 3), size=(7, 6), groups=GROUPS)


def test_grouped_layer_is_reducible_and_depthwise_is_not() -> None:
    assert convolution(PAIR).layers[0].reason is None
    for outputs_of_a_channel in (1, 2):
        depthwise = convolution(Geometry(1, outputs_of_a_channel, (3, 3), groups=4))
        assert depthwise.layers[0].reason == "depthwise"


def group_alone(network: ReducibleNetwork, index: int) -> ReducibleNetwork:
    """A network of one group of a grouped convolution."""
    alone = convolution(Geometry(4, 8, (3, 3), size=(7, 6)))
    for tensor in alone.model.graph.initializer:
        part = np.split(network.array(tensor.name), GROUPS)[index]
        tensor.CopyFrom(numpy_helper.from_array(part, tensor.name))
    return alone


@pytest.mark.parametrize("name", [name for name in METHODS if "groups" in APPLIES[name]])
def test_each_group_is_fitted_as_the_convolution_it_is(name: str) -> None:
    """The moments of a group are those of a network of that group alone."""
    network = convolution(PAIR)
    images = images_for(network, 12)
    data = samples_of(network, images)
    candidates = WAYS[name].candidates(data)
    whole = candidates[len(candidates) // 2]
    (answers,) = outputs(at_ranks(network, data, name, whole.ranks), images[:1])
    for index in range(GROUPS):
        alone = group_alone(network, index)
        own_images = [np.split(image, GROUPS, axis=1)[index] for image in images]
        own = samples_of(alone, own_images)
        np.testing.assert_allclose(data.parts[index].fit.xx, own.fit.xx, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(data.parts[index].held_out.yx, own.held_out.yx, rtol=1e-4, atol=1e-4)
        ranks = tuple(rank // GROUPS for rank in whole.ranks)
        (answer,) = outputs(at_ranks(alone, own, name, ranks), own_images[:1])
        np.testing.assert_allclose(np.split(answers, GROUPS, axis=1)[index], answer, rtol=1e-3, atol=1e-3)


def test_memory_is_that_of_the_groups() -> None:
    network = convolution(Geometry(8, 8, (3, 3), groups=16))
    data = samples_of(network, images_for(network, 8))
    arrays = [moments.xx for part in data.parts for moments in (part.fit, part.held_out)]
    arrays += [data.fit.yy, data.held_out.yy]
    assert data.fit.xx.size == 0
    assert moments_bytes(network.layers[0], with_patches=True) == sum(array.nbytes for array in arrays)


def test_whole_network() -> None:
    random = np.random.default_rng(0)
    weights = {
        "w1": random.normal(0, 0.3, (16, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(0, 0.2, (32, 4, 3, 3)).astype(np.float32),
        "b2": random.normal(0, 1, 32).astype(np.float32),
        "w3": random.normal(0, 0.3, (32, 1, 3, 3)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], "first"),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "grouped", group=4),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("Conv", ["r2", "w3"], ["scores"], "depthwise", group=32),
    ]
    found = network_of(model_of(nodes, weights, ["N", 3, 16, 16], list("ndhw")), None, "a network")
    reduction = reduce_on(found, images_for(found, 30), target=1.7, methods=methods_named(["channel"]))
    assert reduction.reached
    assert found.macs / count_macs(reduction.model, (16, 16)) == pytest.approx(reduction.speedup)
    assert [layer.reason for layer in reduction.layers][2] == "depthwise"
    report = reduction.layers[1]
    assert report.method == "channel"
    assert report.ranks is not None
    assert report.ranks[0] % 4 == 0
    convolutions = [node for node in reduction.model.graph.node if node.name.startswith("grouped/")]
    assert [helper.get_node_attr_value(node, "group") for node in convolutions] == [4, 4]
