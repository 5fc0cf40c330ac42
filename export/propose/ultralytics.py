"""A card from the metadata of Ultralytics' exporters: YOLO v5 to v12 and 26, and the forks that kept them.

Facts, from the exporters' sources. The package writes ``names``, ``imgsz`` (height, width), ``task``,
``stride`` and ``version``; the older YOLOv5 repository ``names`` and ``stride`` only. Every value is the text
of a Python literal.

Frames are RGB, divided by 255. Detectors take them letterboxed with grey 114, resized by OpenCV's bilinear
interpolation. Classifiers take the middle square (the whole frame, stretched, where their input is no
square), without mean and deviation; those of the YOLOv5 repository with ImageNet's.

Outputs, for C classes: of YOLOv5's repository (1, N, 5 + C); of the package (1, 4 + C, N), or (1, N, 6) from
end-to-end heads (v10, 26) and from ``nms=True``. RT-DETR gives (1, N, 6) or (1, N, 4 + C), too, but boxes
relative to the frame.
"""

import ast
import re
from collections.abc import Mapping
from typing import Any

from edge_runtime.base.errors import InputError, one_line
from export.propose.facts import Facts, Size
from export.propose.fields import Field, Proposal

# The 21,841 names of the largest ImageNet take less; parsing a text takes some 500 times its memory.
LONGEST_LITERAL = (
    1 << 20
)  # the 21,841 names of the largest ImageNet take less; parsing takes 500 times as much memory
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
PIXEL_SCALE = 1 / 255
# Until then classifiers' frames were resized by OpenCV; since then by Pillow, whose bilinear interpolation
# averages when it shrinks, as area does.
FIRST_WITH_PILLOW = (8, 0, 233)
# Its tasks, in words.
_HEADS = {"segment": "segmentation", "semantic": "segmentation", "pose": "pose", "obb": "oriented-box"}

_WHY = "as Ultralytics prepares frames"


def is_ultralytics(metadata: Mapping[str, str]) -> bool:
    """Whether one of Ultralytics' exporters wrote this."""
    return "names" in metadata and "stride" in metadata


def image_size(metadata: Mapping[str, str]) -> Size | None:
    """Height and width that the network was exported for; None where that is not said."""
    if not is_ultralytics(metadata):
        return None
    value = _literal(metadata.get("imgsz", ""))
    sides = [value, value] if isinstance(value, int) else value
    usable = isinstance(sides, list | tuple) and len(sides) == 2
    if not usable or not all(type(side) is int and 1 <= side <= 8192 for side in sides):
        return None
    return sides[0], sides[1]


def from_ultralytics(facts: Facts) -> Proposal:
    """The card of a network that one of Ultralytics' exporters wrote.

    Raises:
        InputError: Its class names cannot be read.
    """
    names = _names(facts)
    classes = max(names) + 1
    complete = len(names) == classes
    labels = Field("labels", [names[i] for i in range(classes)] if complete else names, "its names")
    repository = "task" not in facts.metadata  # of YOLOv5, and of its forks
    fields = [
        Field("input.size", list(facts.size), facts.size_why, guessed=facts.size_is_guessed),
        Field("input.colour", "GRAY" if facts.channels == 1 else "RGB", _WHY),
        Field("input.scale", PIXEL_SCALE, _WHY),
    ]
    if facts.metadata.get("task") == "classify" or (repository and len(facts.shapes[0]) == 2):
        task = Field("task", "classify", "a score for each of its names" if repository else "its task")
        return Proposal((task, labels, *fields, *_for_classifier(facts, repository=repository)))
    kind, reason = _decoder(facts, classes, repository=repository)
    fields += [
        Field("input.resize", "letterbox", _WHY),
        Field("input.pad", 114, _WHY),
        Field("input.interpolation", "bilinear", _WHY),
    ]
    if kind is None:
        return Proposal((Field("task", "raw", reason), labels, *fields), undecoded=reason)
    return Proposal(
        (Field("task", "detect", "its task"), labels, *fields, Field("decoder.kind", kind, reason))
    )


def _for_classifier(facts: Facts, *, repository: bool) -> list[Field]:
    square = facts.size[0] == facts.size[1]
    opencv = repository or _version(facts.metadata) < FIRST_WITH_PILLOW
    fields = [
        Field("input.resize", "crop" if square else "warp", _WHY),
        Field("input.interpolation", "bilinear" if opencv else "auto", _WHY),
    ]
    if repository and facts.channels == 3:
        why = "as the YOLOv5 repository prepares frames for classifiers"
        fields += [Field("input.mean", IMAGENET_MEAN, why), Field("input.std", IMAGENET_STD, why)]
    return fields


def _decoder(facts: Facts, classes: int, *, repository: bool) -> tuple[str | None, str]:
    """The decoder's kind, or None, and why."""
    shapes = ", ".join(map(str, facts.shapes))
    other = _other_head(facts)
    if other is not None:
        return None, f"{other} heads have no decoder yet"
    if len(facts.shapes[0]) == 3 and facts.shapes[0][0] == 1:
        _, rows, columns = facts.shapes[0]
        if rows == 4 + classes < columns:
            return "yolov8", f"its output {shapes}: boxes and {classes} scores in columns"
        if columns == 5 + classes < rows and repository:
            return "yolov5", f"its output {shapes}: boxes, objectness and {classes} scores in rows"
        if columns == 6:
            return "yolo_nms", f"its output {shapes}: suppressed boxes, each with score and class"
    return None, f"its outputs {shapes} are those of no head for {classes} classes that has a decoder"


def _other_head(facts: Facts) -> str | None:
    """What kind of head it is, if it is none that finds upright boxes in pixels."""
    task = facts.metadata.get("task", "detect")
    if task != "detect":
        return one_line(_HEADS.get(task, task))[:40]
    written = facts.metadata.get("description", "") + facts.metadata.get("head", "")
    if "rtdetr" in written.lower().replace("-", ""):
        return "RT-DETR"
    return "segmentation" if any(len(shape) == 4 for shape in facts.shapes) else None


def _names(facts: Facts) -> dict[int, str]:
    value = _literal(facts.metadata["names"])
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, dict) or not value or not all(_is_class(*pair) for pair in value.items()):
        raise InputError(
            f"{facts.path}: the names in its metadata are no names of classes; "
            "write a card, and pass it with --input CARD.json"
        )
    return {index: str(name) for index, name in value.items()}


def _is_class(index: Any, name: Any) -> bool:
    return type(index) is int and 0 <= index < 1_000_000 and isinstance(name, str | int)


def _literal(text: str) -> Any:
    """The value of a Python literal; None where it is none, or suspiciously long."""
    if len(text) > LONGEST_LITERAL:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _version(metadata: Mapping[str, str]) -> tuple[int, ...]:
    """The package's version as numbers; a very late one where it is not said."""
    numbers = re.match(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", metadata.get("version", ""))
    return tuple(map(int, numbers.groups())) if numbers else (9999,)
