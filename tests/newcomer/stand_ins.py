"""Stand-ins for the networks and pictures that the documents name: they bear what is done to them there.

Filters of few dimensions lose nothing when their layer is reduced, so commands end as the documents say.
"""

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES, SIGN_SIDE, YOLO_SIDE = 43, 30, 64
YOLO_CELLS = 8 * 8 + 4 * 4 + 2 * 2
RANK = 3
SHOWN = ("00/00807.png", "00/00943.png", "00/01279.png")
YOLO_CARD = {"task": "detect", "description": "Ultralytics YOLO11n model", "author": "Ultralytics"}


class Builder:
    """Puts a network together, layer after layer."""

    def __init__(self, side: int) -> None:
        self._side = side
        self._random = np.random.default_rng(0)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def constant(self, name: str, values: np.ndarray) -> str:
        self._weights.append(numpy_helper.from_array(values, name))
        return name

    def add(self, op_type: str, inputs: list[str], name: str, **attributes: object) -> str:
        self._nodes.append(helper.make_node(op_type, inputs, [name], name, **attributes))
        return name

    def convolution(self, source: str, name: str, shape: tuple[int, int, int], stride: int = 1) -> str:
        """A convolution of ``RANK`` dimensions; ``shape`` is outputs, inputs and side of the filters."""
        outputs, inputs, side = shape
        few = self._random.normal(0, 1, (RANK, inputs * side * side))
        mixed = self._random.normal(0, 1, (outputs, RANK)) @ few / (inputs * side * side * RANK) ** 0.5
        weight = self.constant(
            f"{name}.weight", mixed.reshape(outputs, inputs, side, side).astype(np.float32)
        )
        return self.add("Conv", [source, weight], name, strides=[stride] * 2, pads=[side // 2] * 4)

    def save(self, path: Path, output: tuple[str, list[int]], metadata: dict[str, str]) -> None:
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, self._side, self._side])
        result = helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])
        graph = helper.make_graph(self._nodes, "stand-in", [image], [result], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        helper.set_model_props(model, metadata)
        onnx.save(model, path)


def write_signs(path: Path) -> None:
    """A classifier of 43 signs without a card."""
    builder = Builder(SIGN_SIDE)
    source = builder.constant("scale", np.array(1 / 64, np.float32))
    source = builder.add("Mul", ["image", source], "scaled")
    for name, shape in (("first", (8, 3, 3)), ("second", (12, 8, 3))):
        source = builder.add("Relu", [builder.convolution(source, name, shape)], f"{name}.relu")
    source = builder.add("AveragePool", [source], "pool", kernel_shape=[10, 10], strides=[10, 10])
    source = builder.add("Flatten", [source], "flat")
    random = np.random.default_rng(1)
    weight = random.normal(0, 1, (CLASSES, RANK)) @ random.normal(0, 1, (RANK, 12 * 9))
    weight = (weight / 20).astype(np.float32)  # scores of every picture alike, all 0 but one, tell nothing
    bias = builder.constant("o.bias", np.zeros(CLASSES, np.float32))
    source = builder.add("Gemm", [source, builder.constant("o.weight", weight), bias], "o", transB=1)
    builder.save(path, (builder.add("Softmax", [source], "prob", axis=1), [1, CLASSES]), {})


def write_yolo(path: Path) -> None:
    """A detector with the metadata of its exporter: three strides, a box and two scores for each cell."""
    builder = Builder(YOLO_SIDE)
    source, width, heads = "image", 3, []
    for stride in (2, 4, 8, 16, 32):
        source = builder.convolution(source, f"stem{stride}", (24, width, 3), stride=2)
        source, width = builder.add("Relu", [source], f"relu{stride}"), 24
        if stride >= 8:
            head = builder.convolution(source, f"head{stride}", (6, width, 1))
            shape = builder.constant(f"shape{stride}", np.array([1, 6, -1]))
            heads.append(builder.add("Reshape", [head, shape], f"cells{stride}"))
    cells = builder.add("Concat", heads, "cells", axis=2)
    likely = builder.add("Sigmoid", [cells], "likely")
    pixels = builder.constant("pixels", np.array([48, 48, 24, 24, 1, 1], np.float32).reshape(1, 6, 1))
    metadata = {**YOLO_CARD, "imgsz": str([YOLO_SIDE] * 2), "names": str({0: "cat", 1: "dog"})}
    output = builder.add("Mul", [likely, pixels], "output0"), [1, 6, YOLO_CELLS]
    builder.save(path, output, {**metadata, "stride": "32"})


def draw(path: Path, seed: int) -> None:
    """A picture of smooth random colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (48, 48)))


def draw_pictures(folder: Path) -> None:
    """All pictures that the documents name."""
    for index in range(36):
        draw(folder / "images/calibration" / f"{index:03d}.png", index)
        draw(folder / "photos" / f"{index:03d}.png", index)
    for index, name in enumerate(SHOWN):
        draw(folder / "images/test" / name, index)
    for index in range(1, CLASSES):
        draw(folder / "images/test" / f"{index:02d}" / "0.png", 200 + index)
    (folder / "val/labels").mkdir(parents=True)
    for index in range(6):
        draw(folder / "val/images" / f"{index}.jpg", 300 + index)
        (folder / "val/labels" / f"{index}.txt").write_text("1 0.5 0.5 0.4 0.4\n")
