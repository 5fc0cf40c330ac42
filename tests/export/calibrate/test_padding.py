"""Grey borders around images: where the image lies, and how a border is written."""

import numpy as np
import pytest

from export.calibrate.padding import SquarePadding, parse_padding
from export.cli import main


def test_the_image_lies_in_the_middle_of_the_grey_square() -> None:
    padded = parse_padding("1.5:99")(np.zeros((10, 20, 3), np.uint8))
    assert padded.shape == (30, 30, 3)
    assert np.all(padded[10:20, 5:25] == 0)
    padded[10:20, 5:25] = 99
    assert np.all(padded == 99)


def test_the_grey_is_127_unless_said() -> None:
    assert parse_padding("1.4") == SquarePadding(1.4, 127)


@pytest.mark.parametrize("text", ["", "wide", "0.9", "nan", "1e9", "1.4:", "1.4:256", "1.4:-1", "1.4:x"])
def test_a_wrong_padding_is_bad_usage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "m.onnx", "--images", ".", "--pad-square", text])
    assert caught.value.code == 2
    assert "is not a padding such as 1.4:127" in capsys.readouterr().err
