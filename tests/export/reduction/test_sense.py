"""What makes no sense is said before any file is read, as the command says it of its texts."""

from typing import Any

import pytest

from edge_runtime.base.errors import InputError
from export import reduce


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"speedup": 0.5}, "speedup must be a number from 1"),
        ({"speedup": float("nan")}, "speedup must be a number from 1"),
        ({"speedup": float("inf")}, "speedup must be a number from 1"),
        ({"storage": -1}, "storage must be a number from 1"),
        ({"speedup": 2, "storage": 2}, "not both"),
        ({"max_drop_percent": -1}, "max_drop_percent must be a number from 0 to 100"),
        ({"max_drop_percent": 101}, "max_drop_percent must be a number from 0 to 100"),
        ({"methods": ("nope",)}, "methods must be some of channel, spatial"),
        ({"methods": "channel"}, "methods must be some of channel, spatial"),
        ({"methods": ()}, "methods must be some of channel, spatial"),
        ({"ranks": "x"}, "ranks must be energy or error, not 'x'"),
        ({"max_images": 0}, "max_images must be a whole number from 1, not 0"),
        ({"max_images": 2.5}, "max_images must be a whole number from 1"),
        ({"threads": 0}, "threads must be a whole number from 1"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_senseless_settings(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        reduce("there is no such file", "nor such a folder", **settings)
