"""Which keys a model card may have, and what was probably meant by one that it may not."""

from collections.abc import Collection, Mapping
from typing import Any

from edge_runtime.settings.option import closest, nearest

_COMMON = ("kind", "score_threshold", "iou_threshold", "max_detections")
_ANCHORS = ("feature_maps", "anchor_sizes", "anchor_ratios", "variances")
_FREE = ("note",)

#: The kinds of detection heads, and the keys that the decoder of each may have.
DECODERS: dict[str, tuple[str, ...]] = {
    "ssd": (*_COMMON, *_ANCHORS, *_FREE),
    "yolov5": (*_COMMON, *_FREE),
    "yolov8": (*_COMMON, *_FREE),
    "yolo_nms": (*_COMMON, *_FREE),
}

# What other tools call our keys.
_OTHER_NAMES = {"classes": "labels", "names": "labels", "class_names": "labels", "type": "task"}
_ALIKE = 0.8  # "tasks" is our task, while "tags" is a key of the owner's own


def refuse_wrong_keys(
    document: Mapping[str, Any], known: Collection[str], input_keys: Collection[str]
) -> None:
    """Raise ``ValueError`` for a key that was meant for another.

    A card may hold keys of its owner's own (a note, a source), so only what looks like a key of ours is one.

    Args:
        document: The card.
        known: Its keys.
        input_keys: The keys of its ``input``.
    """
    unknown_input = set(document["input"]) - set(input_keys)
    if unknown_input:
        raise ValueError(_unknown("input", min(unknown_input), input_keys))
    for key in document:
        if key in known:
            continue
        if key in input_keys or key in (*_COMMON, *_ANCHORS):
            raise ValueError(f"{key} belongs in {'input' if key in input_keys else 'decoder'}")
        meant = _OTHER_NAMES.get(key) or closest(key, known, _ALIKE)
        if meant is not None and meant not in document:
            raise ValueError(f"unknown key {key!r:.60}; did you mean {meant!r}?")


def require_decoder(task: str, decoder: Any) -> None:
    """Raise ``ValueError`` unless a card has a decoder exactly where its task needs one, of a known kind.

    Args:
        task: The card's task.
        decoder: What stands in the card; None where nothing does.
    """
    if task != "detect":
        if decoder is not None:
            raise ValueError(f'there is a decoder, but the task is {task!r}: write "task": "detect"')
        return
    kinds = ", ".join(DECODERS)
    if decoder is None:
        raise ValueError(f"decoder.kind is missing; detection needs one of {kinds}")
    kind = decoder.get("kind") if isinstance(decoder, Mapping) else decoder
    if not isinstance(decoder, Mapping) or not isinstance(kind, str) or kind not in DECODERS:
        near = closest(kind, DECODERS) if isinstance(kind, str) else None
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"decoder.kind is {kind!r:.60}; detection needs one of {kinds}{hint}")
    unknown = set(decoder) - set(DECODERS[kind])
    if unknown:
        raise ValueError(_unknown("decoder", min(unknown), DECODERS[kind]))


def _unknown(part: str, key: str, known: Collection[str]) -> str:
    return f"unknown key {part}.{key:.60}; {nearest(key, known)}"
