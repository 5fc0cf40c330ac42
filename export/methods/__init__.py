"""The ways to replace a layer, one file each behind the protocol in ``base``."""

from collections.abc import Sequence

from export.methods.base import Method
from export.methods.channel import Channel
from export.methods.combined import Combined
from export.methods.spatial import Spatial

METHODS: dict[str, type[Method]] = {"channel": Channel, "spatial": Spatial, "combined": Combined}
NAMES = tuple(METHODS)
AUTO = ("channel", "spatial", "combined")


def methods_named(names: Sequence[str]) -> tuple[Method, ...]:
    """One method of each name, in the order in which equal candidates are preferred."""
    return tuple(METHODS[name]() for name in NAMES if name in names)


def all_methods() -> tuple[Method, ...]:
    """The methods of ``auto``."""
    return methods_named(AUTO)
