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
from task import PeerError, Task, right_class_probability
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

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
CORRECTIONS = 4
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
        manual = ChannelPruningParameters.ManualModeParams(pairs(network, ratio))
        return compressed(
            task, network, CompressionScheme.channel_pruning, ChannelPruningParameters(
                loader, images * SAMPLES_PER_IMAGE, True, ChannelPruningParameters.Mode.manual, manual
            )
        )  # fmt: skip

    reached: list[float] = []

    def make(removed: float) -> nn.Module:
        network = network_of(1 - removed, 1)
        if task.speedup_of(network) >= task.speedup:
            reached.append(1 - removed)
        return network

    task.least(make)
    return network_of(reached[-1], len(task.calibration_set[0]))


def greedy(task: Task, scheme: CompressionScheme, parameters: Callable[..., object]) -> nn.Module:
    """AIMET's own choice of ranks, asked again until this project counts the speed-up."""
    ratio = 1 / task.speedup
    folder = task.folder / f"aimet-{scheme.name}"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):  # it writes where it is started
        for _ in range(CORRECTIONS):
            network = task.network()
            saved = f"./{SCORES}" if SCORES.is_file() else None
            selection = GreedySelectionParameters(Decimal(f"{ratio:.5f}"), saved_eval_scores_dict=saved)
            ignored = [first_convolution(network), network.head]  # as in its examples
            reduced = compressed(task, network, scheme, parameters(selection, ignored))
            reached = task.speedup_of(reduced)
            if reached >= task.speedup:
                return reduced
            ratio *= 0.998 * reached / task.speedup
    raise PeerError(f"asked for {1 / ratio:.2f}×, its greedy selection gives {reached:.2f}×")


def shared(task: Task, scheme: CompressionScheme, parameters: Callable[..., object]) -> nn.Module:
    """The same compression ratio for every layer but the first and the last."""

    def make(removed: float) -> nn.Module:
        network = task.network()
        return compressed(task, network, scheme, parameters(pairs(network, 1 - removed)))

    return task.least(make)


def pairs(network: nn.Module, ratio: float) -> list[ModuleCompRatioPair]:
    """The same ratio for every convolution but the first."""
    first = first_convolution(network)
    layers = [
        module for module in network.children() if isinstance(module, nn.Conv2d) and module is not first
    ]
    return [ModuleCompRatioPair(layer, Decimal(f"{max(ratio, 0.001):.5f}")) for layer in layers]


def first_convolution(network: nn.Module) -> nn.Conv2d:
    """The one that reads the image."""
    return next(module for module in network.children() if isinstance(module, nn.Conv2d))


def compressed(task: Task, network: nn.Module, scheme: CompressionScheme, parameters: object) -> nn.Module:
    """What AIMET makes of the network."""
    images, labels = (entry[:SCORING_IMAGES] for entry in task.calibration_set)
    manual = parameters.mode.name == "manual"  # then its score is printed and nothing else

    def score(candidate: nn.Module, _iterations: int, _use_cuda: bool) -> float:  # noqa: FBT001
        return 0.0 if manual else right_class_probability(candidate, images, labels)

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
