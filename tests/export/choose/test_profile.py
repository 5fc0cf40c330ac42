"""The grid of convolutions that a profile times: it spans every candidate of every layer."""

import dataclasses

import pytest
from hypothesis import given, strategies as st

from export.choose.latency import LatencyTable, Point, family_of, is_depthwise
from export.choose.profile import shapes_to_time
from export.layer import Layer
from export.methods import METHODS, NAMES, methods_named

LAYER = Layer(
    *("conv", "Conv", "x", "y", "w", "b"),
    out_channels=48,
    in_channels=24,
    kernel=(3, 3),
    stride=(1, 1),
    pads=(1, 1, 1, 1),
    dilation=(1, 1),
    group=1,
    input_size=(12, 10),
    output_size=(12, 10),
)


def flat_table(layers: list[Layer], names: list[str]) -> LatencyTable:
    shapes = shapes_to_time(layers, methods_named(names))
    return LatencyTable("ncnn", 1, {}, "ab", 1.0, tuple(Point(shape, 1.0, 0.0) for shape in shapes))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_every_candidate_of_a_method_is_covered(name: str, data: st.DataObject) -> None:
    method = METHODS[name]()
    ranks = data.draw(st.tuples(*[st.integers(1, 24)] * method.rank_count))
    table = flat_table([LAYER], [name])
    for shape in (LAYER.shape, *method.candidate(LAYER, ranks, 0.0).convolutions):
        assert table.nanoseconds(dataclasses.replace(shape, connections=None)) == 1.0


def test_each_is_timed_once_however_many_layers_have_it() -> None:
    twice = [LAYER, dataclasses.replace(LAYER, output="z")]
    once, both = (list(shapes_to_time(layers, methods_named(NAMES))) for layers in ([LAYER], twice))
    assert both == once
    assert len(set(once)) == len(once)


def test_grids_are_whole() -> None:
    families: dict[object, list[tuple[int, int]]] = {}
    for shape in shapes_to_time([LAYER], methods_named(NAMES)):
        inputs = 1 if is_depthwise(shape) else shape.in_channels
        families.setdefault(family_of(shape), []).append((inputs, shape.out_channels))
    assert len(families) > 5
    for points in families.values():
        inputs, outputs = ({each[axis] for each in points} for axis in (0, 1))
        assert len(points) == len(inputs) * len(outputs)
