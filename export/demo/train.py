"""Train the demo's network and write ``edge_runtime/model/demo.onnx``: ``make train-demo``.

It reads the characters that ``edge_runtime.frames.demo`` draws: a VGG-style classifier of eight 3x3
convolutions and one linear layer, 2.2 MiB, about 180 million multiply-adds. The shipped weights came from
this script as it stands: six minutes on one core with bfloat16 instructions (AVX512-BF16) and one more
to draw, several times that on others. Seeds are fixed and one thread trains; still, another processor or
release of torch rounds otherwise and ends at other weights, as good.

Needs ``pip install -e '.[export,train]'``.
"""

import multiprocessing
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edge_runtime.frames.characters import LABELS
from edge_runtime.frames.demo import draw_scene
from edge_runtime.model import demo as demo_model
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.engines.onnxruntime import onnxruntime_version, open_network
from edge_runtime.model.network import Network
from edge_runtime.model.preprocess import Preprocessor
from export.network.card import write_with_card

INPUT = InputSpec(size=(64, 64), colour="RGB", mean=(127.5,) * 3, std=(64.0,) * 3)
WIDTHS = ((32, 32), (64, 64), (128, 128), (128, 128))  # a max pool after each group but the last

TRAIN_SEED, EVALUATE_SEED = 1, 2
SCENES, BATCH, CHUNK = 80_000, 80, 800
EVALUATED_SCENES = 5000
PEAK_RATE = 0.1
# Most scenes are drawn at the network's size; some at a camera's, to be shrunk as the Pi will shrink them.
SIZES = ((64, 64), (64, 64), (64, 64), (240, 320))


# Small pictures first: their steps cost a quarter, and what they teach holds for large ones.
# Until this share of the scenes is seen, train on pictures of this side.
SIDES_PX = ((0.4, 32), (0.6, 48), (1.0, 64))


@dataclass(frozen=True)
class Examples:
    """Preprocessed scenes and the truth about them.

    Attributes:
        tensors: (N, 3, 64, 64) float32.
        classes: (N,) int64, index into ``LABELS``.
    """

    tensors: NDArray[np.float32]
    classes: NDArray[np.int64]


def draw_examples(seed: int, first: int, count: int, sizes: tuple[tuple[int, int], ...]) -> Examples:
    """Scenes ``first`` to ``first + count`` of the series ``seed``, ``sizes`` taken in turn."""
    prepare = Preprocessor(INPUT)
    tensors = np.empty((count, 3, *INPUT.size), np.float32)
    classes = np.empty(count, np.int64)
    for row in range(count):
        index = first + row
        scene = draw_scene(np.random.default_rng((seed, index)), sizes[index % len(sizes)])
        tensors[row] = prepare(scene.image)[0]
        classes[row] = LABELS.index(scene.label)
    return Examples(tensors, classes)


def build_network() -> nn.Sequential:
    """The network with batch norm, as it is trained."""
    layers: list[nn.Module] = []
    channels = 3
    for group in WIDTHS:
        if layers:
            layers.append(nn.MaxPool2d(2))
        for width in group:
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, len(LABELS)))


def train(scenes: int = SCENES) -> nn.Sequential:
    """One pass over ``scenes`` drawn scenes, none seen twice.

    Returns:
        The network in evaluation mode, batch norm not yet folded.
    """
    torch.set_num_threads(1)
    torch.manual_seed(TRAIN_SEED)
    torch.use_deterministic_algorithms(mode=True)
    network = build_network().to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(
        network.parameters(), lr=PEAK_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    steps = scenes // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps, pct_start=0.2)
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
    started_s = time.monotonic()
    for step, (tensors, classes) in enumerate(_batches(scenes)):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = network(_shrunk(tensors, step / steps))
        loss = loss_of(scores.float(), classes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 49:
            right = float((scores.argmax(1) == classes).float().mean())
            minutes = (time.monotonic() - started_s) / 60
            _say(f"step {step + 1}/{steps}  loss {loss.item():.3f}  top-1 {right:.2f}  {minutes:.1f} min")
    return network.eval()


def _shrunk(tensors: torch.Tensor, progress: float) -> torch.Tensor:
    side = next(side for until, side in SIDES_PX if progress < until)
    return (
        tensors
        if side == tensors.shape[-1]
        else nn.functional.interpolate(tensors, (side, side), mode="area")
    )


def _batches(scenes: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches in a fixed order, drawn ahead by another process."""
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[Examples]] = deque()
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        for first in range(0, scenes + 2 * CHUNK, CHUNK):
            if first < scenes:
                waiting.append(
                    pool.submit(draw_examples, TRAIN_SEED, first, min(CHUNK, scenes - first), SIZES)
                )
            if first >= 2 * CHUNK:
                examples = waiting.popleft().result()
                for start in range(0, len(examples.classes), BATCH):
                    tensors = torch.from_numpy(examples.tensors[start : start + BATCH])
                    yield (
                        tensors.contiguous(memory_format=torch.channels_last),
                        torch.from_numpy(examples.classes[start : start + BATCH]),
                    )


def to_onnx(trained: nn.Sequential) -> onnx.ModelProto:
    """Fold batch norm and write the network down node by node.

    Returns:
        Opset 17, input ``image`` (batch, 3, 64, 64), output ``logits`` (batch, classes); no metadata yet.
    """
    graph = _Graph()
    layers = list(trained)
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            folded = fuse_conv_bn_eval(layer, layers[index + 1])
            graph.add("Conv", "conv", folded, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        elif isinstance(layer, nn.Linear):
            graph.add("Gemm", "linear", layer, transB=1)
        elif isinstance(layer, nn.MaxPool2d):
            graph.add("MaxPool", "pool", kernel_shape=[2, 2], strides=[2, 2])
        elif not isinstance(layer, nn.BatchNorm2d):
            graph.add(*_PLAIN_OPERATORS[type(layer)])
    return graph.to_model()


_PLAIN_OPERATORS = {
    nn.ReLU: ("Relu", "relu"),
    nn.AdaptiveAvgPool2d: ("GlobalAveragePool", "average"),
    nn.Flatten: ("Flatten", "flatten"),
}


class _Graph:
    """A chain of ONNX nodes in the making."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._counts: Counter[str] = Counter()

    def add(self, operator: str, kind: str, layer: nn.Module | None = None, **attributes: Any) -> None:
        """Append one node named after its kind and number, with the weight and bias of ``layer``."""
        self._counts[kind] += 1
        name = f"{kind}{self._counts[kind]}"
        inputs = [self._nodes[-1].output[0] if self._nodes else "image"]
        for parameter, values in layer.named_parameters() if layer is not None else ():
            inputs.append(f"{name}.{parameter}")
            array = np.ascontiguousarray(values.detach().numpy())
            self._initializers.append(numpy_helper.from_array(array, inputs[-1]))
        self._nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))

    def to_model(self) -> onnx.ModelProto:
        """The chain as a checked model."""
        self._nodes[-1].output[0] = "logits"
        graph = helper.make_graph(
            self._nodes,
            "characters",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, *INPUT.size])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
            self._initializers,
        )
        opsets = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="pi-infer")
        onnx.checker.check_model(model, full_check=True)
        return model


def accuracy(network: Network, seed: int, count: int, size: tuple[int, int]) -> float:
    """Share of right answers on the first ``count`` scenes of the series ``seed``, through onnxruntime."""
    examples = draw_examples(seed, 0, count, (size,))
    answers = [int(np.argmax(network.run(tensor[None])[0])) for tensor in examples.tensors]
    return float(np.mean(np.array(answers) == examples.classes))


def write(model: onnx.ModelProto, output: Path) -> None:
    """Write the network with a card that holds its measured accuracy and a known answer."""
    card = write_with_card(model, ModelCard(input=INPUT, labels=dict(enumerate(LABELS))), output)
    card = replace(card, provenance=_provenance(open_network(output)))
    write_with_card(model, card, output)
    _say(f"{output}: {output.stat().st_size / 2**20:.2f} MiB, {card.provenance}")


def _provenance(network: Network) -> dict[str, Any]:
    return {
        "trained_by": "python -m export.demo.train",
        "seed": TRAIN_SEED,
        "scenes": SCENES,
        "accuracy": {
            "seed": EVALUATE_SEED,
            "scenes": EVALUATED_SCENES,
            "top1_at_64x64": accuracy(network, EVALUATE_SEED, EVALUATED_SCENES, (64, 64)),
            "top1_at_240x320": accuracy(network, EVALUATE_SEED, EVALUATED_SCENES, (240, 320)),
        },
        "versions": {
            "numpy": np.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime_version(),
            "opencv": cv2.__version__,
            "torch": str(torch.__version__),
        },
    }


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    write(to_onnx(train()), demo_model.path())
