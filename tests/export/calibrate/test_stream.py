"""Taking images through a network in stretches: the same activations, whatever is kept on the way."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.engines.onnxruntime import open_bytes
from export.calibrate.calibration_set import calibration_of
from export.calibrate.inputs import KeptInputs
from export.calibrate.stream import Activations, ActivationStream
from export.network.layers import ReducibleNetwork, network_of
from export.network.topology import fragment, frontier
from tests.attacks.networks import network
from tests.export.small_networks import Array, images_for, residual, with_branch, with_heads

COUNT = 3
PLENTY = 1 << 30


def kept_inputs(found: ReducibleNetwork, folder: Path) -> KeptInputs:
    return calibration_of(images_for(found, COUNT), folder).fit


def stream_of(
    found: ReducibleNetwork, folder: Path, budget_bytes: int = PLENTY, goals: Sequence[str] = ("scores",)
) -> ActivationStream:
    inputs = kept_inputs(found, folder)
    return ActivationStream(inputs, folder / "kept", goals=goals, threads=1, budget_bytes=budget_bytes)


def at_once(model: onnx.ModelProto, images: Sequence[Array], names: Sequence[str]) -> list[Activations]:
    """Tensors of the whole network for each image."""
    session = open_bytes(fragment(model, ["image"], names).SerializeToString(), threads=1)
    return [dict(zip(names, session.run(list(names), {"image": image}), strict=True)) for image in images]


def assert_same(found: Iterator[Activations], expected: list[Activations]) -> None:
    collected = [{name: values.copy() for name, values in activations.items()} for activations in found]
    assert len(collected) == len(expected)
    for one, other in zip(collected, expected, strict=True):
        assert one.keys() == other.keys()
        for name, values in one.items():
            np.testing.assert_allclose(values, other[name], rtol=1e-4, atol=1e-5)


@pytest.fixture(params=[0, 5000, PLENTY], ids=["nothing kept", "little kept", "all kept"])
def budget_bytes(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.mark.parametrize(
    ("model", "stretches"),
    [
        (residual(), [["image"], ["a"], ["r"], ["c", "d"]]),
        (residual(), [["a", "r"], ["c"], ["d"]]),
        (network(), [["r1"], ["c2"], ["f"]]),
        (with_branch(), [["r1"], ["chosen"], ["r2"]]),
        (with_heads(), [["relu0"], ["relu1", "inside0"], ["relu2", "inside1"], ["relu3", "inside2"]]),
    ],
)
def test_stretches_give_what_the_whole_network_gives(
    model: onnx.ModelProto, stretches: list[list[str]], budget_bytes: int, tmp_path: Path
) -> None:
    found = network_of(model, None, "it")
    stream = stream_of(found, tmp_path, budget_bytes)
    images = images_for(found, COUNT)
    for wanted in stretches:
        computed = [name for name in wanted if name != "image"]
        expected = at_once(model, images, computed) if computed else [{} for _ in images]
        if "image" in wanted:
            expected = [{"image": image} for image in images]
        assert_same(stream.advance(found, wanted), expected)
    stream.close()
    assert list((tmp_path / "kept").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["apart.f32", "fit.f32"]


def negated(name: str) -> onnx.ModelProto:
    """The residual network with one weight of opposite sign."""
    model = residual()
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), name))
    return model


def test_network_may_change_behind_what_was_wanted(budget_bytes: int, tmp_path: Path) -> None:
    original, changed = network_of(residual(), None, "it"), network_of(negated("w1"), None, "it")
    stream = stream_of(original, tmp_path, budget_bytes)
    images = images_for(original, COUNT)
    assert_same(stream.advance(original, ["a"]), at_once(original.model, images, ["a"]))
    assert_same(stream.advance(changed, ["r"]), at_once(changed.model, images, ["r"]))
    expected = at_once(changed.model, images, ["r"])[0]["r"]
    assert not np.allclose(expected, at_once(original.model, images, ["r"])[0]["r"])


def test_each_part_runs_once_where_all_is_kept(tmp_path: Path) -> None:
    found = network_of(residual(), None, "it")
    once = sum(layer.macs for layer in found.layers[:2])
    counts = {}
    for budget_bytes in (0, PLENTY):
        stream = stream_of(found, tmp_path, budget_bytes)
        for wanted in (["a"], ["r"]):
            assert len(list(stream.advance(found, wanted))) == COUNT
        counts[budget_bytes] = stream.image_macs
    assert counts == {PLENTY: once, 0: once + found.layers[0].macs}


def test_only_the_last_cut_is_kept(tmp_path: Path) -> None:
    found = network_of(residual(), None, "it")
    stream = stream_of(found, tmp_path)
    for wanted, tensors in ((["a"], 1), (["r"], 2), (["c", "d"], 2)):
        assert len(list(stream.advance(found, wanted))) == COUNT
        files = list((tmp_path / "kept").iterdir())
        assert len(files) == tensors
        assert {path.stat().st_size for path in files} == {COUNT * 4 * 4 * 64}


def with_whole_numbers() -> onnx.ModelProto:
    """The first convolution reads rounded pixels, and whole numbers travel on beside it."""
    model = network()
    nodes = list(model.graph.node)
    nodes[0].input[0] = "rounded"
    nodes[2].input[0] = "sum"
    before = [
        helper.make_node("Cast", ["image"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Cast", ["whole"], ["rounded"], to=TensorProto.FLOAT),
    ]
    between = [
        helper.make_node("Cast", ["whole"], ["again"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["again"], ["mean"]),
        helper.make_node("Add", ["r1", "mean"], ["sum"]),
    ]
    del model.graph.node[:]
    model.graph.node.extend([*before, *nodes[:2], *between, *nodes[2:]])
    return model


def test_tensors_that_are_no_floats_are_computed_anew(tmp_path: Path) -> None:
    found = network_of(with_whole_numbers(), None, "it")
    assert frontier(found.model, ["r1"], "image", ["scores"]) == ["r1", "whole"]
    stream = stream_of(found, tmp_path)
    images = images_for(found, COUNT)
    for wanted in (["r1"], ["sum"], ["c2"]):
        assert_same(stream.advance(found, wanted), at_once(found.model, images, wanted))


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    model = network()
    model.graph.node[1].op_type = "Log"  # of negative numbers too
    found = network_of(model, None, "it")
    stream = stream_of(found, tmp_path)
    with pytest.raises(ModelRefusedError, match="NaN or infinite values at 'r1'"):
        list(stream.advance(found, ["r1"]))


def test_nothing_is_kept_that_no_goal_needs(tmp_path: Path) -> None:
    found = network_of(residual(), None, "it")
    stream = stream_of(found, tmp_path, goals=("a", "r"))
    for wanted, files in ((["a"], 1), (["r"], 1)):
        assert len(list(stream.advance(found, wanted))) == COUNT
        assert len(list((tmp_path / "kept").iterdir())) == files


def test_kept_inputs_are_read_back_as_they_were(tmp_path: Path) -> None:
    found = network_of(network(), None, "it")
    kept = kept_inputs(found, tmp_path)
    assert len(kept) == COUNT
    for _ in range(2):
        assert np.array_equal(list(kept), images_for(found, COUNT))
