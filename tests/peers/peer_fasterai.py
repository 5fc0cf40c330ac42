"""fasterai: Tucker-2 of each kernel (1×1, k×k, 1×1), by alternating SVD; uses no images."""

from fasterai.misc.all import Conv_Decomposer
from task import Task
from torch import nn


def tucker_share(task: Task) -> nn.Module:
    """The documented default: the same share of the ranks is removed in every layer."""
    network = task.network()
    return task.least(lambda share: Conv_Decomposer().decompose(network, 0.999 * share, "tucker"))


def tucker_energy(task: Task) -> nn.Module:
    """Ranks by the energy that they keep in each layer, the same threshold for all."""
    network = task.network()
    return task.least(
        lambda lost: Conv_Decomposer().decompose(network, method="tucker", energy_threshold=1 - 0.999 * lost)
    )
