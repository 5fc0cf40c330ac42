"""Numbers as people read them."""

import math

import pytest
from hypothesis import given, strategies as st

from export.report.numbers import count, exponent, figure, of_unit, times


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3.020439830916582, "3.02"),
        (0.0397, "0.0397"),
        (1553.2, "1553"),
        (0, "0"),
        (99.96, "100.0"),
        (12, "12.0"),
    ],
)
def test_three_digits(value: float, shown: str) -> None:
    assert figure(value) == shown


@given(st.floats(1e-3, 1e6))
def test_a_figure_is_near_its_value_and_short(value: float) -> None:
    assert math.isclose(float(figure(value)), value, rel_tol=0.006)
    assert len(figure(value)) <= 8


def test_counts_and_units() -> None:
    assert [count(value) for value in (17, 1_620_000, 5.71e9)] == ["17", "1.62 M", "5.71 G"]
    assert [of_unit(2_000_000, unit) for unit in ("ns", "bytes", "macs")] == ["2.00 ms", "1.91 MiB", "2.00 M"]
    assert (exponent(7e-15), exponent(0.0114), exponent(0)) == ("7.0e-15", "0.0114", "0.0000")


def test_a_ratio_is_above_one_and_says_which_way() -> None:
    assert times(4, 2, "faster", "slower") == "2.00× faster"
    assert times(2, 4, "faster", "slower") == "2.00× slower"
    assert times(2, 0, "faster", "slower") == ""
