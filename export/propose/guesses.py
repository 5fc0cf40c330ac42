"""A card for a network whose exporter wrote nothing: by its shapes, and by what networks of its kind take."""

import math

from edge_runtime.base.errors import PiInferError
from edge_runtime.inference import Model
from edge_runtime.model.card import ModelCard, parse_card
from edge_runtime.postprocess.likely import likely_kind
from export.propose.facts import Facts, Size
from export.propose.fields import Field, Proposal, merged
from export.propose.other_exporters import from_other_exporters
from export.propose.ultralytics import IMAGENET_MEAN, IMAGENET_STD, PIXEL_SCALE

COCO_CLASSES = 80
_NORMALISING = {"Sub", "Div", "Mul", "Add", "BatchNormalization"}
_ANCHOR_KEYS = ("feature_maps", "anchor_sizes", "anchor_ratios", "variances")


def guessed(facts: Facts) -> Proposal:
    """The likeliest card, with what is a guess marked as one."""
    known = from_other_exporters(facts.metadata, facts.channels)
    classes = _classes(facts)
    if classes is not None:
        task = Field("task", "classify", f"its outputs {_shown(facts)}: {classes} scores")
        fields = (task, *_labels(classes), *_input(facts, "crop"), *_classifier_pixels(facts))
        return Proposal(merged(_fitting(known, classes), fields))
    kind, why = _head(facts)
    if kind is None:
        fields = (Field("task", "raw", why, guessed=True), *_input(facts, "warp"), *_pixels(facts))
        return Proposal(merged(_fitting(known, 0), fields), undecoded=why)
    classes = _classes_of_head(facts, kind)
    fields = (
        Field("task", "detect", why, guessed=True),
        *(_labels(classes) if classes > 1 else []),
        *_input(facts, "warp" if kind == "ssd" else "letterbox"),
        *_pixels(facts),
        Field("decoder.kind", kind, why, guessed=True),
        *_anchors(kind),
    )
    return Proposal(merged(_fitting(known, classes), fields))


def _classes(facts: Facts) -> int | None:
    """Classes of a classifier, each of whose outputs is a vector, the longest one of scores; else None."""
    vectors = [shape for shape in facts.shapes if math.prod(shape) == max(shape, default=1)]
    return max(map(math.prod, vectors)) if len(vectors) == len(facts.shapes) else None


def _head(facts: Facts) -> tuple[str | None, str]:
    """The kind of a detector's decoder, or None, and why."""
    shapes = _shown(facts)
    kind = likely_kind(facts.shapes)
    if kind is None:
        return None, f"its outputs {shapes} are those of no head that has a decoder"
    like = f"its outputs {shapes} look like those of {kind}"
    if kind in ("yolov5", "yolov8"):
        _, rows, columns = facts.shapes[0]
        cells = _cells(facts.size)
        if kind == "yolov5" and rows in cells:
            return (
                None,
                f"its output {shapes} has a row for each cell, as YOLOX gives, which has no decoder yet",
            )
        if (rows not in {3 * count for count in cells}) if kind == "yolov5" else (columns not in cells):
            return None, f"{like}, but not for as many cells as {facts.size[0]}x{facts.size[1]} images have"
    if kind != "ssd" and not _reads(facts, kind):
        return None, f"{like}, but its scores are not from 0 to 1"
    return kind, like


def _cells(size: Size) -> set[int]:
    """How many cells the maps of a YOLO may have together, for an input of this size."""
    maps = ((8, 16, 32), (16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (4, 8, 16), (8, 16))
    return {sum((size[0] // stride) * (size[1] // stride) for stride in strides) for strides in maps}


def _shown(facts: Facts) -> str:
    return ", ".join(map(str, facts.shapes))


def _reads(facts: Facts, kind: str) -> bool:
    """Whether the decoder makes sense of what the network gives for noise."""
    fields = (*_input(facts, "letterbox"), *_pixels(facts))
    spec = parse_card(Proposal(fields).to_json(), str(facts.path)).input
    try:
        Model(facts.network, ModelCard(spec, "detect", decoder={"kind": kind})).try_out()
    except PiInferError:
        return False
    return True


def _classes_of_head(facts: Facts, kind: str) -> int:
    """How many classes a head tells apart; 0 where its shapes do not say."""
    first = facts.shapes[0]
    return {"ssd": facts.shapes[-1][-1], "yolov8": first[1] - 4, "yolov5": first[2] - 5, "yolo_nms": 0}[kind]


def _labels(classes: int) -> list[Field]:
    if classes == 1:
        return [Field("labels", ["no", "yes"], "a single score decides between two", guessed=True)]
    if classes == COCO_CLASSES:
        return [Field("labels", "COCO-80", "80 classes, as COCO has", guessed=True)]
    if classes:
        return [Field("labels", classes, "their number; their names are not in the file", guessed=True)]
    return []


def _input(facts: Facts, resize: str) -> list[Field]:
    grey = facts.channels == 1
    return [
        Field("input.size", list(facts.size), facts.size_why, guessed=facts.size_is_guessed),
        Field("input.resize", resize, "usual for such networks", guessed=True),
        Field(
            "input.colour", "GRAY" if grey else "RGB", "its channels" if grey else "usual", guessed=not grey
        ),
    ]


def _pixels(facts: Facts) -> list[Field]:
    if facts.takes_pixels:
        return [Field("input.scale", 1.0, "its input is of whole numbers, from 0 to 255")]
    if facts.first_operator in _NORMALISING:
        why = f"it begins with {facts.first_operator}, as networks do that normalise by themselves"
        return [Field("input.scale", 1.0, why, guessed=True)]
    return [Field("input.scale", PIXEL_SCALE, "most networks take pixels from 0 to 1", guessed=True)]


def _classifier_pixels(facts: Facts) -> list[Field]:
    fields = _pixels(facts)
    normalising = facts.takes_pixels or facts.first_operator in _NORMALISING
    if facts.producer == "pytorch" and facts.channels == 3 and not normalising:
        why = "ImageNet's, as most classifiers from PyTorch take"
        fields.append(Field("input.mean", IMAGENET_MEAN, why, guessed=True))
        fields.append(Field("input.std", IMAGENET_STD, why, guessed=True))
    return fields


def _anchors(kind: str) -> list[Field]:
    why = "not in the file: to be taken from where the network was trained"
    keys = _ANCHOR_KEYS if kind == "ssd" else ()
    return [Field(f"decoder.{key}", [], why, guessed=True) for key in keys]


def _fitting(known: tuple[Field, ...], classes: int) -> list[Field]:
    """What is known but for labels of another number of classes."""
    return [field for field in known if field.key != "labels" or len(field.value) == classes]
