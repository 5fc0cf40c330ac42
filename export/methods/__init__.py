"""The ways to replace a layer, one file each behind the protocol in ``base``."""

from export.methods.base import Method
from export.methods.channel import Channel
from export.methods.combined import Combined
from export.methods.spatial import Spatial


def all_methods() -> tuple[Method, ...]:
    """One of each, in the order in which equal candidates are preferred."""
    return (Channel(), Spatial(), Combined())
