"""torch-pruning: whole channels are removed, with everything that depends on them; nothing is refitted."""

import copy
import functools

import torch
import torch_pruning as tp
from task import Task
from torch import nn


def magnitude(task: Task) -> nn.Module:
    """Importance by the weights' norms, the same share of every layer: the example of its documentation."""
    return pruned(task, task.network(), tp.importance.GroupMagnitudeImportance(p=2), everywhere=False)


def magnitude_global(task: Task) -> nn.Module:
    """The same, all layers ranked together."""
    return pruned(task, task.network(), tp.importance.GroupMagnitudeImportance(p=2), everywhere=True)


def taylor(task: Task) -> nn.Module:
    """Importance by the loss's gradient on the labelled calibration images, the same share of every layer."""
    return pruned(task, with_gradients(task), tp.importance.GroupTaylorImportance(), everywhere=False)


def taylor_global(task: Task) -> nn.Module:
    """The same, all layers ranked together."""
    return pruned(task, with_gradients(task), tp.importance.GroupTaylorImportance(), everywhere=True)


def pruned(
    task: Task, network: nn.Module, importance: tp.importance.Importance, *, everywhere: bool
) -> nn.Module:
    """The network with the least share of channels removed that reaches the speed-up."""

    def make(share: float) -> nn.Module:
        shrunk = copy_with_gradients(network)
        tp.pruner.BasePruner(
            shrunk,
            torch.zeros(1, 3, *task.card.input.size),
            importance=importance,
            global_pruning=everywhere,
            pruning_ratio=share,
            max_pruning_ratio=0.9,
            ignored_layers=[shrunk.head],
        ).step()
        return shrunk

    return task.least(make)


@functools.cache
def with_gradients(task: Task) -> nn.Module:
    """The network with the gradient of its loss summed over all calibration images."""
    network = task.network()
    images, labels = task.calibration_set
    for some, classes in zip(images.split(10), labels.split(10), strict=True):
        nn.functional.cross_entropy(network(some), classes).backward()
    return network


def copy_with_gradients(network: nn.Module) -> nn.Module:
    """A deep copy; PyTorch's own leaves the gradients behind."""
    twin = copy.deepcopy(network)
    for parameter, original in zip(twin.parameters(), network.parameters(), strict=True):
        parameter.grad = None if original.grad is None else original.grad.clone()
    return twin
