import argparse
from collections.abc import Callable

import pytest

from edge_runtime.settings.arguments import percent, positive, positive_seconds, ratio, whole

Kind = Callable[[str], float]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (positive, "1", 1), (positive, "007", 7), (positive, "999999999", 999_999_999),
        (whole, "0", 0), (whole, "3", 3),
        (ratio, "1", 1.0), (ratio, "2.5", 2.5), (ratio, "1e3", 1000.0),
        (percent, "0", 0.0), (percent, "0.5", 0.5), (percent, "100", 100.0),
        (positive_seconds, "0.01", 0.01), (positive_seconds, "86400", 86_400.0),
    ],
)  # fmt: skip
def test_what_is_meant_is_read(kind: Kind, text: str, value: float) -> None:
    assert kind(text) == value
    assert type(kind(text)) is type(value)


@pytest.mark.parametrize(
    ("kind", "texts", "wanted"),
    [
        (positive, ["0", "-1", "1.0", "1e3", "+1", " 1", "٣", "1" * 10], "a whole number from 1"),
        (whole, ["-1", "1.5", "nan", "1_0", "1" * 10], "a whole number from 0"),
        (ratio, ["0.99", "-2", "inf", "nan", "two"], "a number from 1, such as 2.5"),
        (percent, ["-0.1", "100.1", "inf", "nan", "%"], "a number from 0 to 100"),
        (positive_seconds, ["0", "-1", "86401", "inf", "nan", "1s"], "a number of seconds above 0"),
    ],
)
def test_anything_else_says_what_it_must_be(kind: Kind, texts: list[str], wanted: str) -> None:
    for text in ["", "x", *texts]:
        with pytest.raises(argparse.ArgumentTypeError) as caught:
            kind(text)
        assert str(caught.value).startswith(f"{text!r} is not {wanted}")
