"""Time as a cost: exact on the grid, like multiply-adds between its lines, and read back as it was."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from edge_runtime.base.errors import InputError
from export.choose.cost import multiply_adds, time_measure
from export.choose.latency import LatencyTable, Point
from export.layer import ConvolutionShape, CountedNode

SHAPE = ConvolutionShape(64, 32, (3, 3), (10, 12), bias=True)
LINES = (8, 16, 32, 64)


def table_of(points: list[Point], between: list[Point] | None = None, whole: float = 1e6) -> LatencyTable:
    return LatencyTable("ncnn", 1, {"cpu": "x"}, "ab", whole, tuple(points), tuple(between or ()))


def point(inputs: int, outputs: int, ns: float) -> Point:
    return Point(replace(SHAPE, in_channels=inputs, out_channels=outputs), ns, 0.0)


def by_macs(inputs: int, outputs: int) -> Point:
    """A machine on which a convolution takes 100 ns, and one for each thousand multiply-adds."""
    shape = replace(SHAPE, in_channels=inputs, out_channels=outputs)
    return Point(shape, 100 + shape.macs / 1000, 0.0)


TABLE = table_of([by_macs(inputs, outputs) for inputs in LINES for outputs in LINES])


@given(st.integers(8, 80), st.integers(8, 80))
def test_between_its_lines_time_goes_with_multiply_adds(inputs: int, outputs: int) -> None:
    shape = by_macs(inputs, outputs)
    assert TABLE.nanoseconds(shape.shape) == pytest.approx(shape.ns)


@given(st.integers(1, 100), st.integers(1, 100))
def test_a_convolution_takes_more_than_no_time(inputs: int, outputs: int) -> None:
    steep = table_of([point(a, b, 1000.0 * (a - 7) * (b - 7)) for a in LINES for b in LINES])
    assert steep.nanoseconds(point(inputs, outputs, 0).shape) > 0


def test_what_was_measured_between_two_lines_slows_all_that_fills_no_pack() -> None:
    slow = by_macs(64, 40)
    table = table_of(list(TABLE.points), [replace(slow, ns=slow.ns * 1.5)])
    assert table.nanoseconds(slow.shape) == pytest.approx(slow.ns * 1.5)
    for inputs, outputs, factor in (
        (64, 48, 1.0),
        (64, 24, 1.5),
        (24, 64, 1.0),
        (16, 56, 1.5),
        (64, 64, 1.0),
    ):
        own = by_macs(inputs, outputs)
        assert table.nanoseconds(own.shape) == pytest.approx(own.ns * factor)


def test_what_was_not_measured_is_the_rest_of_the_network() -> None:
    other = replace(SHAPE, kernel=(7, 7))
    counted = CountedNode("n", "o", "MatMul", 5, 5, 5, "")
    measure = time_measure(TABLE, [SHAPE, other])
    assert measure.of([SHAPE, other, counted]) == TABLE.nanoseconds(SHAPE)
    assert measure.rest == 1e6 - TABLE.nanoseconds(SHAPE)
    assert (measure.name, measure.unit) == ("time", "ns")
    assert multiply_adds([SHAPE]) > 0


def test_a_shape_of_another_network_is_refused() -> None:
    with pytest.raises(InputError, match="profile this one"):
        TABLE.nanoseconds(replace(SHAPE, output_size=(5, 5)))


def test_a_grid_with_a_hole_is_refused() -> None:
    with pytest.raises(InputError, match="run it again"):
        table_of(list(TABLE.points[:-1])).nanoseconds(SHAPE)


def test_a_table_is_read_back_as_it_was_written() -> None:
    table = table_of(list(TABLE.points), [by_macs(64, 40)])
    assert LatencyTable.from_json(table.to_json(), "t.json") == table


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1},
        {"precision": "int4"},
        {"whole_ns": -1},
        {"points": []},
        {"network_ns": -1},
        {"network_ns": "fast"},
        {"points": [{"ns": 1}]},
        {"extra": 1},
        {"between": 3},
        {"threads": 0},
        {"threads": "two"},
        {"machine": ["a Pi"]},
        {"network_ns": 10**400},
    ],
)
def test_what_is_no_table_is_refused_by_name(change: dict[str, object]) -> None:
    document = {**json.loads(TABLE.to_json()), **change}
    with pytest.raises(InputError, match=r"t\.json"):
        LatencyTable.from_json(json.dumps(document), "t.json")


@pytest.mark.parametrize("part", ["points", "between"])
@pytest.mark.parametrize(
    "change",
    [
        {"ns": 0},
        {"ns": -1},
        {"ns": float("nan")},
        {"ns": "fast"},
        {"in_channels": "8"},
        {"out_channels": None},
        {"in_channels": 0},
        {"group": 0},
        {"kernel": [[3], [3]]},
        {"kernel": 3},
        {"stride": [1, 1, 1]},
        {"output_size": []},
    ],
)
def test_a_measurement_that_is_none_is_refused_by_name(part: str, change: dict[str, object]) -> None:
    document = json.loads(table_of(list(TABLE.points), [by_macs(64, 40)]).to_json())
    document[part][0] |= change
    with pytest.raises(InputError, match=r"t\.json is not a cost table"):
        LatencyTable.from_json(json.dumps(document), "t.json")


def test_a_measurement_between_lines_that_are_not_there_is_refused_by_name() -> None:
    elsewhere = replace(by_macs(64, 40), shape=replace(SHAPE, kernel=(7, 7)))
    table = table_of(list(TABLE.points), [elsewhere])
    with pytest.raises(InputError, match=r"t\.json is not a cost table"):
        LatencyTable.from_json(table.to_json(), "t.json")


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "{}", '{"format": 2}', "NaN", "[" * 10_000])
def test_any_other_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match=r"t\.json"):
        LatencyTable.from_json(text, "t.json")
