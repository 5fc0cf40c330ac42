"""fasterai: Tucker-2 of each kernel (1×1, k×k, 1×1), by alternating SVD; uses no images.

Layers with little to do are left out: the first one of vgg19_caltech101, of 3 input channels, ends it in
"RuntimeError: The size of tensor a (9) must match the size of tensor b (27)".
"""

from fasterai.misc.all import Conv_Decomposer
from task import Task
from torch import nn


def tucker_share(task: Task) -> nn.Module:
    """The documented default: the same share of the ranks is removed in every layer."""
    return task.least(lambda share: tucker(task, percent_removed=0.999 * share))


def tucker_energy(task: Task) -> nn.Module:
    """Ranks by the energy that they keep in each layer, the same threshold for all."""
    return task.least(lambda lost: tucker(task, energy_threshold=1 - 0.999 * lost))


def tucker(task: Task, **settings: float) -> nn.Module:
    """The network with the kernels of its layers decomposed."""
    return Conv_Decomposer().decompose(task.network(), method="tucker", layers=task.worthwhile, **settings)
