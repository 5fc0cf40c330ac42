"""Train the demo's network and write ``edge_runtime/demo.onnx``: ``make train-demo``.

It reads the characters that ``edge_runtime.frames.demo`` draws: a VGG-style classifier of eight 3x3
convolutions and one linear layer, 2.2 MiB, about 180 million multiply-adds. The shipped weights came from this
script as it stands: 15 minutes on two cores with bfloat16 instructions (AVX512-BF16), an hour or more on others.
Seeds are fixed; another processor or release of torch rounds otherwise and ends at other weights, as good.

Needs ``pip install -e '.[export,train]'``.
"""

import multiprocessing
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
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

from edge_runtime.files import atomic_path
from edge_runtime.frames.characters import LABELS
from edge_runtime.frames.demo import draw_scene
from edge_runtime.model_card import METADATA_KEY, Golden, InputSpec, ModelCard
from edge_runtime.preprocess import Preprocessor
from edge_runtime.session import Network, onnxruntime_version, open_network

OUTPUT = Path(__file__).resolve().parents[1] / "edge_runtime" / "demo.onnx"
INPUT = InputSpec(size=(64, 64), colour="RGB", mean=(127.5,) * 3, std=(64.0,) * 3)
WIDTHS = ((32, 32), (64, 64), (128, 128), (128, 128))  # a max pool after each group but the last

TRAIN_SEED, EVALUATE_SEED, GOLDEN_SEED = 1, 2, 0
SCENES, BATCH, CHUNK = 80_000, 80, 800
EVALUATED_SCENES = 5000
PEAK_RATE = 0.1
# Most scenes are drawn at the network's size; some at a camera's, to be shrunk as the Pi will shrink them.
SIZES = ((64, 64), (64, 64), (64, 64), (240, 320))


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
            scores = network(tensors)
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
    nodes: list[onnx.NodeProto] = []
    initializers: list[onnx.TensorProto] = []
    value = "image"
    counts: dict[str, int] = {}

    def add(operator: str, kind: str, layer: nn.Module | None = None, **attributes: Any) -> None:
        nonlocal value
        counts[kind] = counts.get(kind, 0) + 1
        name = f"{kind}{counts[kind]}"
        inputs = [value]
        for suffix in ("weight", "bias") if layer is not None else ():
            inputs.append(f"{name}.{suffix}")
            array = getattr(layer, suffix).detach().float().contiguous().numpy()
            initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), inputs[-1]))
        nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        value = name

    layers = list(trained)
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            folded = fuse_conv_bn_eval(layer, layers[index + 1])
            add("Conv", "conv", folded, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        elif isinstance(layer, nn.ReLU):
            add("Relu", "relu")
        elif isinstance(layer, nn.MaxPool2d):
            add("MaxPool", "pool", kernel_shape=[2, 2], strides=[2, 2])
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            add("GlobalAveragePool", "average")
        elif isinstance(layer, nn.Flatten):
            add("Flatten", "flatten", axis=1)
        elif isinstance(layer, nn.Linear):
            add("Gemm", "linear", layer, transB=1)
    nodes[-1].output[0] = "logits"
    graph = helper.make_graph(
        nodes,
        "characters",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, *INPUT.size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "pi-infer"
    onnx.checker.check_model(model, full_check=True)
    return model


def accuracy(network: Network, seed: int, count: int, size: tuple[int, int]) -> float:
    """Share of right answers on the first ``count`` scenes of the series ``seed``, through onnxruntime."""
    examples = draw_examples(seed, 0, count, (size,))
    answers = [int(np.argmax(network.run(tensor[None])[0])) for tensor in examples.tensors]
    return float(np.mean(np.array(answers) == examples.classes))


def write(model: onnx.ModelProto, output: Path) -> None:
    """Write the network with a card that holds its measured accuracy and a known answer."""
    with atomic_path(output) as temporary:
        onnx.save(model, temporary)
        network = open_network(temporary)
        card = ModelCard(
            input=INPUT,
            labels=dict(enumerate(LABELS)),
            golden=_golden(network),
            provenance=_provenance(network),
        )
        helper.set_model_props(model, {METADATA_KEY: card.to_json()})
        onnx.save(model, temporary)
    _say(f"{output}: {output.stat().st_size / 2**20:.2f} MiB, {card.provenance}")


def _golden(network: Network) -> Golden:
    frame = np.random.default_rng(GOLDEN_SEED).integers(0, 256, (*INPUT.size, 3), np.uint8)
    scores = network.run(Preprocessor(INPUT)(frame))[0]
    samples = tuple(float(value) for value in scores.ravel())
    return Golden(seed=GOLDEN_SEED, shapes=(scores.shape,), samples=(samples,))


def _provenance(network: Network) -> dict[str, Any]:
    return {
        "trained_by": "python -m export.train_demo",
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
    write(to_onnx(train()), OUTPUT)
