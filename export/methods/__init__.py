"""The ways to replace a layer, one file each behind the protocol in ``base``."""

from collections.abc import Sequence

from export.methods.base import Method
from export.methods.channel import Channel
from export.methods.combined import Combined
from export.methods.cp import Cp
from export.methods.fully_connected import FullyConnected
from export.methods.grouped import PerGroup
from export.methods.input_channels import InputChannels
from export.methods.sparse import Sparse
from export.methods.spatial import Spatial
from export.methods.tucker import Tucker
from export.methods.weight_svd import WeightSvd

METHODS: dict[str, type[Method]] = {
    "channel": Channel,
    "spatial": Spatial,
    "combined": Combined,
    "fully-connected": FullyConnected,
    "input-channels": InputChannels,
    "sparse": Sparse,
    "weight-svd": WeightSvd,
    "tucker": Tucker,
    "cp": Cp,
}
NAMES = tuple(METHODS)
AUTO = ("channel", "spatial", "combined", "fully-connected", "input-channels")


def methods_named(names: Sequence[str]) -> tuple[Method, ...]:
    """The methods of some names, fit for grouped convolutions, too.

    Args:
        names: Keys of ``METHODS``.

    Returns:
        One method of each name, in the order in which equal candidates are preferred: that of ``METHODS``.
    """
    return tuple(PerGroup(METHODS[name]()) for name in NAMES if name in names)


def all_methods() -> tuple[Method, ...]:
    """The methods that ``auto`` offers: those that make a network faster at little loss."""
    return methods_named(AUTO)
