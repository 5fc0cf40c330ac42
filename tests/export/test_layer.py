"""Costs follow from shapes."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from export.choose.cost import multiply_adds, stored_bytes
from export.layer import ConvolutionShape
from tests.export.small_networks import Geometry, convolution

SHAPE = ConvolutionShape(8, 6, (3, 2), (5, 4), bias=True)


def test_by_hand() -> None:
    assert SHAPE.weights == 8 * 6 * 3 * 2
    assert SHAPE.parameters == 288 + 8
    assert SHAPE.macs == 20 * 288
    assert SHAPE.stored_bytes == 4 * 296
    grouped = replace(SHAPE, group=2, bias=False)
    assert (grouped.weights, grouped.parameters, grouped.macs) == (144, 144, 20 * 144)


def test_zeros_are_left_out_on_disk_and_multiplied_all_the_same() -> None:
    sparse = replace(SHAPE, connections=50)
    assert sparse.macs == SHAPE.macs
    assert sparse.stored_bytes == 288 // 8 + 4 * (50 + 8)


@given(st.integers(1, 8))
def test_fewer_outputs(count: int) -> None:
    narrowed = SHAPE.with_outputs(count)
    assert narrowed.macs * 8 == SHAPE.macs * count
    assert narrowed.parameters * 8 == SHAPE.parameters * count
    assert replace(SHAPE, connections=48).with_outputs(count).connections == 6 * count


def test_a_cost_is_of_all_convolutions() -> None:
    both = [SHAPE, replace(SHAPE, bias=False)]
    assert multiply_adds(both) == 2 * SHAPE.macs
    assert stored_bytes(both) == 2 * SHAPE.stored_bytes - 4 * 8


def test_a_layer_is_a_convolution_of_its_shape() -> None:
    geometry = Geometry(4, 6, (3, 5), (2, 3), (1, 2, 1, 2), (1, 2), (20, 31), bias=False, groups=2)
    (layer,) = convolution(geometry).layers
    shape = ConvolutionShape(
        12, 8, (3, 5), (10, 9), bias=False, stride=(2, 3), dilation=(1, 2), group=2, connections=None
    )
    assert layer.shape == shape
    assert (layer.positions, layer.patch_length) == (90, 4 * 15)
    assert (layer.macs, layer.parameters) == (90 * 12 * 60, 12 * 60)


def test_a_factor_of_no_axis_is_plain_and_writes_what_it_is_told_to() -> None:
    (layer,) = convolution(Geometry(4, 6, (3, 5), (2, 3), (1, 2, 1, 2), (1, 2), (20, 31))).layers
    factor = layer.factor(7, 4, output_size=(8, 9))
    assert factor == ConvolutionShape(7, 4, (1, 1), (8, 9), bias=False)
    assert (factor.stride, factor.dilation, factor.group) == ((1, 1), (1, 1), 1)
    assert layer.factor(8, 4, group=4).weights == 8


@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("horizontal", [False, True])
def test_factors_take_over_kernel_stride_and_dilation_of_their_axes(vertical: bool, horizontal: bool) -> None:  # noqa: FBT001
    geometry = Geometry(4, 6, (3, 5), (2, 3), (1, 2, 1, 2), (1, 2), (20, 30))
    (layer,) = convolution(geometry).layers
    factor = layer.factor(7, 4, vertical=vertical, horizontal=horizontal, bias=True)
    assert factor.kernel == (3 if vertical else 1, 5 if horizontal else 1)
    assert factor.stride == (2 if vertical else 1, 3 if horizontal else 1)
    assert factor.dilation == (1, 2 if horizontal else 1)
    assert (factor.out_channels, factor.in_channels, factor.output_size) == (7, 4, layer.output_size)
