"""Cutting a network in two: nothing is lost at the cut, wherever it is."""

import functools
import json
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper

from edge_runtime.model.engines.onnxruntime import open_bytes
from export.calibrate.stream import fragment_macs
from export.network.layers import ReducibleNetwork, network_of, read_network
from export.network.source import read_source
from export.network.topology import (
    consumers,
    depths,
    followed_by,
    fragment,
    frontier,
    nodes_before,
    producers,
    reads,
    sort_nodes,
)
from tests.attacks.networks import network
from tests.export.small_networks import Array, images_for, relative_difference, residual, with_branch

ASSETS = Path(__file__).resolve().parents[4] / "shared" / "assets" / "models"


def run(model: onnx.ModelProto, feeds: dict[str, Array]) -> dict[str, Array]:
    session = open_bytes(model.SerializeToString(), threads=1)
    names = [value.name for value in session.get_outputs()]
    needed = {value.name: feeds[value.name] for value in session.get_inputs()}
    return dict(zip(names, session.run(names, needed), strict=True))


def outputs_of(model: onnx.ModelProto) -> list[str]:
    return [value.name for value in model.graph.output]


def assert_cut_loses_nothing(found: ReducibleNetwork, cut_at: list[str]) -> None:
    """The network in two stretches, cut behind ``cut_at``, answers as in one."""
    model = found.model
    feeds = {found.input_name: images_for(found, 1)[0]}
    cut = frontier(model, cut_at, found.input_name, outputs_of(model))
    kept = run(fragment(model, [found.input_name], [name for name in cut if name not in feeds]), feeds)
    left = [value.name for value in model.graph.output if value.name not in cut]
    second = run(fragment(model, cut, left), feeds | kept) if left else {}
    whole = run(model, feeds)
    for name in whole:
        assert relative_difference(whole[name], (kept | second)[name]) < 1e-5  # other kernels are fused


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_small_networks_in_two_stretches(data: st.DataObject) -> None:
    model = data.draw(st.sampled_from([residual(), network(), with_branch()]))
    found = network_of(model, None, "it")
    tensors = sorted(set(producers(model)) - {value.name for value in model.graph.output})
    assert_cut_loses_nothing(found, data.draw(st.lists(st.sampled_from(tensors), min_size=1, max_size=3)))


@functools.cache
def trained(name: str) -> ReducibleNetwork:
    card = json.loads((ASSETS / f"{name}.json").read_text())
    return read_network(read_source(ASSETS / f"{name}.onnx"), tuple(card["input"]["size"]))


@pytest.mark.assets
@pytest.mark.parametrize("name", ["resnet18_imagenette", "squeezenet_imagenet", "yolov5n_coco"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.usefixtures("assets")
def test_trained_networks_in_two_stretches(name: str, share: float) -> None:
    found = trained(name)
    layers = found.reducible
    assert_cut_loses_nothing(found, [layers[int(share * len(layers))].input])


def test_frontier_holds_what_the_rest_needs_and_no_more() -> None:
    assert frontier(residual(), ["r"], "image", outputs_of(residual())) == ["a", "r"]
    assert frontier(residual(), ["d"], "image", outputs_of(residual())) == ["a", "d"]
    assert frontier(residual(), ["c", "d"], "image", outputs_of(residual())) == ["c", "d"]
    assert frontier(residual(), ["image"], "image", outputs_of(residual())) == ["image"]


def test_fragment_holds_what_its_targets_need_and_no_more() -> None:
    part = fragment(residual(), ["a", "image"], ["c"])
    assert [node.output[0] for node in part.graph.node] == ["b", "r", "c"]
    assert [tensor.name for tensor in part.graph.initializer] == ["w1", "w2"]
    assert [value.name for value in part.graph.input] == ["a"]
    assert fragment_macs(part, network_of(residual(), None, "it")) == 2 * 64 * 4 * 36


def test_nodes_before_stops_at_the_sources() -> None:
    names = [node.name or node.op_type for node in nodes_before(residual(), ["scores"], ["a", "r"])]
    assert names == ["c", "d", "Add"]


def test_depth_counts_the_layers_on_the_longest_path() -> None:
    layers = dict.fromkeys("abcd", "")
    assert depths(residual(), layers) == {"a": 0, "b": 1, "c": 2, "d": 1}
    del layers["a"]
    assert depths(residual(), layers) == {"b": 0, "c": 1, "d": 0}


def test_what_another_follows() -> None:
    assert followed_by(residual(), set("abcd")) == {"a", "b"}
    assert followed_by(residual(), {"a", "c"}) == {"a"}


@pytest.mark.assets
@pytest.mark.usefixtures("assets")
def test_layers_of_equal_depth_do_not_depend_on_each_other() -> None:
    found = trained("resnet18_imagenette")
    depth = depths(found.model, {layer.output: layer.input for layer in found.reducible})
    for layer in found.reducible:
        before = {name for node in nodes_before(found.model, [layer.input]) for name in node.output}
        assert all(depth[output] < depth[layer.output] for output in before & depth.keys())


def test_branches_read_tensors_from_outside() -> None:
    model = with_branch()
    branch = next(node for node in model.graph.node if node.op_type == "If")
    assert reads(branch) == {"condition", "r1"}
    assert [node.op_type for node in consumers(model, "r1")] == ["If"]
    assert frontier(model, ["r1"], "image", outputs_of(model)) == ["r1"]


def test_loop_reads_only_what_it_does_not_make() -> None:
    body = helper.make_graph(
        [
            helper.make_node("Add", ["state", "outer"], ["sum"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, None),
        ],
    )
    loop = helper.make_node("Loop", ["turns", "", "start"], ["end"], body=body)
    assert reads(loop) == {"turns", "start", "outer"}


@settings(max_examples=30)
@given(st.permutations(range(8)), st.booleans())
def test_nodes_in_any_order_come_into_one_of_execution(order: list[int], branch: bool) -> None:  # noqa: FBT001
    model = with_branch() if branch else network()
    nodes = [model.graph.node[place] for place in order if place < len(model.graph.node)]
    mixed = onnx.ModelProto()
    mixed.CopyFrom(model)
    del mixed.graph.node[:]
    mixed.graph.node.extend(nodes)
    sort_nodes(mixed)
    onnx.checker.check_model(mixed, full_check=True)
    assert sorted(node.output[0] for node in mixed.graph.node) == sorted(node.output[0] for node in nodes)
    before = mixed.SerializeToString()
    sort_nodes(mixed)
    assert mixed.SerializeToString() == before
