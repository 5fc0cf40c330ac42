"""aimet-torch: spatial SVD and weight SVD with its greedy rank choice, and channel pruning.

The two SVDs use the weights alone; images only score candidates. Its channel pruning is the one that refits
weights to what the original network answered.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import torch
from task import Task, right_class_probability
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch_network import Sqrt

# torchvision, which aimet-torch imports but does not need here, asks for these two operators of its
# compiled part when imported. Where that part fits another build of PyTorch, they are missing.
if not hasattr(torch.ops.torchvision, "nms"):
    OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        OPERATORS.define(f"{operator}(Tensor boxes, Tensor scores, float threshold) -> Tensor")

from aimet_torch.common.defs import (
    CompressionScheme,
    CostMetric,
    GreedySelectionParameters,
    RankSelectScheme,
)
from aimet_torch.compress import ModelCompressor
from aimet_torch.defs import (
    ChannelPruningParameters,
    ModuleCompRatioPair,
    SpatialSvdParameters,
    WeightSvdParameters,
)

SCORING_IMAGES = 50  # its greedy selection scores about 100 candidates on them
SAMPLES_PER_IMAGE = 10  # fixed inside AIMET
SCORES = Path("data") / "greedy_selection_eval_scores_dict.pkl"  # where AIMET keeps them


def spatial_svd(task: Task) -> nn.Module:
    """k×1, then 1×k; ranks by its greedy selection."""

    def parameters(greedy: GreedySelectionParameters, ignored: list[nn.Module]) -> SpatialSvdParameters:
        auto = SpatialSvdParameters.AutoModeParams(greedy, ignored)
        return SpatialSvdParameters(SpatialSvdParameters.Mode.auto, auto)

    return greedy(task, CompressionScheme.spatial_svd, parameters)


def weight_svd(task: Task) -> nn.Module:
    """1×1, then k×k; ranks by its greedy selection."""

    def parameters(greedy: GreedySelectionParameters, ignored: list[nn.Module]) -> WeightSvdParameters:
        auto = WeightSvdParameters.AutoModeParams(RankSelectScheme.greedy, greedy, ignored)
        return WeightSvdParameters(WeightSvdParameters.Mode.auto, auto)

    return greedy(task, CompressionScheme.weight_svd, parameters)


def spatial_svd_share(task: Task) -> nn.Module:
    """k×1, then 1×k; the same ratio for every layer."""
    return shared(
        task, CompressionScheme.spatial_svd, lambda manual: SpatialSvdParameters(
            SpatialSvdParameters.Mode.manual, SpatialSvdParameters.ManualModeParams(manual)
        )
    )  # fmt: skip


def weight_svd_share(task: Task) -> nn.Module:
    """1×1, then k×k; the same ratio for every layer."""
    return shared(
        task, CompressionScheme.weight_svd, lambda manual: WeightSvdParameters(
            WeightSvdParameters.Mode.manual, WeightSvdParameters.ManualModeParams(manual)
        )
    )  # fmt: skip


def channel_pruning(task: Task) -> nn.Module:
    """Input channels by their weights' norm, the same ratio for every layer, weights refitted to images."""

    def network_of(ratio: float, images: int) -> nn.Module:
        some, classes = task.calibration_set
        loader = DataLoader(TensorDataset(some[:images], classes[:images]), batch_size=1)
        network = task.network()
        _, *inner = [module for module in network.children() if isinstance(module, nn.Conv2d)]
        manual = ChannelPruningParameters.ManualModeParams(pairs(inner, ratio))
        roots = [name for name, module in network.named_children() if isinstance(module, Sqrt)]
        for (
            name
        ) in roots:  # it refuses this operator; a ReLU instead, behind what is refitted, changes nothing
            setattr(network, name, nn.ReLU())
        pruned = compressed(
            task, network, CompressionScheme.channel_pruning, ChannelPruningParameters(
                loader, images * SAMPLES_PER_IMAGE, True, ChannelPruningParameters.Mode.manual, manual
            )
        )  # fmt: skip
        for name in roots:
            setattr(pruned, name, Sqrt())
        return pruned

    reached: list[float] = []

    def make(removed: float) -> nn.Module:
        network = network_of(1 - removed, 1)
        if task.speedup_of(network) >= task.speedup:
            reached.append(1 - removed)
        return network

    task.least(make)
    return network_of(reached[-1], len(task.calibration_set[0]))


def greedy(task: Task, scheme: CompressionScheme, parameters: Callable[..., object]) -> nn.Module:
    """AIMET's own choice of ranks, for that ratio by its count which gives the speed-up by this project's."""
    folder = task.folder / f"aimet-{scheme.name}"
    folder.mkdir(parents=True, exist_ok=True)

    def make(removed: float, scores: str | None = f"./{SCORES}") -> nn.Module:
        network = task.network()
        selection = GreedySelectionParameters(
            Decimal(f"{1 - removed:.5f}"),
            use_monotonic_fit=True,  # closer to the speed-up, and loses less, than its default
            saved_eval_scores_dict=scores,
        )
        kept = set(network.children()) - {getattr(network, name) for name in task.worthwhile}
        return compressed(task, network, scheme, parameters(selection, list(kept)), scored=scores is None)

    with contextlib.chdir(folder):  # it keeps its scores where it is started
        if not SCORES.is_file():
            make(1 - 1 / task.speedup, scores=None)
        return task.least(make)


def shared(task: Task, scheme: CompressionScheme, parameters: Callable[..., object]) -> nn.Module:
    """The same compression ratio for every layer worth it."""

    def make(removed: float) -> nn.Module:
        network = task.network()
        layers = [getattr(network, name) for name in task.worthwhile]
        return compressed(task, network, scheme, parameters(pairs(layers, 1 - removed)))

    return task.least(make)


def pairs(layers: list[nn.Module], ratio: float) -> list[ModuleCompRatioPair]:
    """The same ratio for all these layers."""
    return [ModuleCompRatioPair(layer, Decimal(f"{max(ratio, 0.001):.5f}")) for layer in layers]


def compressed(
    task: Task, network: nn.Module, scheme: CompressionScheme, parameters: object, *, scored: bool = False
) -> nn.Module:
    """What AIMET makes of the network; where nothing depends on the scores, they are not measured."""
    images, labels = (entry[:SCORING_IMAGES] for entry in task.calibration_set)

    def score(candidate: nn.Module, *_: object, **_settings: object) -> float:
        return right_class_probability(candidate, images, labels) if scored else 0.0

    with quiet():
        reduced, _ = ModelCompressor.compress_model(
            network, score, 1, (1, 3, *task.card.input.size), scheme, CostMetric.mac, parameters
        )
    return reduced


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without its log, which has a line for each candidate."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
