from export.choose.cost import MULTIPLY_ADDS, STORAGE
from export.layer import ConvolutionShape

# 8 filters of 3x3 on 4 channels at 5x6 positions, and 2 of 1x1 on those 8
FIRST = ConvolutionShape(8, 4, (3, 3), (5, 6), bias=True)
SECOND = ConvolutionShape(2, 8, (1, 1), (5, 6), bias=False)


def test_costs_add_up_over_convolutions() -> None:
    assert MULTIPLY_ADDS.of([FIRST, SECOND]) == 30 * (8 * 4 * 9) + 30 * (2 * 8)
    assert STORAGE.of([FIRST, SECOND]) == 4 * (8 * 4 * 9 + 8 + 2 * 8)


def test_what_follows_from_shapes_leaves_no_rest() -> None:
    assert (MULTIPLY_ADDS.rest, STORAGE.rest) == (0, 0)
