"""The names of a card's classes, in each form in which a card may give them."""

import json
import re
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import one_line
from edge_runtime.base.files import read_text
from edge_runtime.settings.option import nearest

MAX_CLASSES = 1_000_000
LARGEST_FILE_BYTES = 16 << 20

_COCO_80 = """
    person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant,
    stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe,
    backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball
    bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife,
    spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair,
    couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone,
    microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, hair drier,
    toothbrush
"""

NAMED_LABELS: dict[str, tuple[str, ...]] = {
    "COCO-80": tuple(" ".join(name.split()) for name in _COCO_80.split(",")),
}


def read_labels(value: Any, folder: Path | None = None) -> dict[int, str] | None:
    """The names by their class, from what stands in a card.

    Args:
        value: A list of names, a count, ``{name: index}``, ``{index: name}``, text that holds such an object
            in JSON, the name of a set known here, or that of a text file with a name per line.
        folder: Where such a file lies: the card's own folder; None for a card that lies in no folder.

    Raises:
        ValueError: It is none of these.
        InputError: The file cannot be read.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _named_in_text(value, folder)
    if isinstance(value, int):
        if not 1 <= value <= MAX_CLASSES:
            raise ValueError(f"labels is {value}; a count must be between 1 and {MAX_CLASSES}")
        return {index: str(index) for index in range(value)}
    if isinstance(value, list):
        if not all(isinstance(name, str | int) for name in value):
            raise ValueError("labels must be names")
        return {index: one_line(str(name)) for index, name in enumerate(value)}
    pairs = ((key, name) if str(key).isdigit() else (name, key) for key, name in dict(value).items())
    return {int(index): one_line(str(name)) for index, name in pairs}


def _named_in_text(text: str, folder: Path | None) -> dict[int, str] | None:
    if text in NAMED_LABELS:
        return dict(enumerate(NAMED_LABELS[text]))
    found = re.search(r"\{.*\}", text, re.DOTALL)
    if found:
        return _named_in_json(found.group())
    path = _beside(text, folder)
    if path is not None:
        return _names_of_lines(path)
    raise ValueError(
        f"labels is {text!r:.80}, which is no set of names known here and no file beside the card; "
        f"{nearest(text, [*NAMED_LABELS, *_text_files(folder)])}"
    )


def _named_in_json(text: str) -> dict[int, str] | None:
    try:
        return read_labels(json.loads(text))
    except RecursionError as error:  # a few kilobytes of brackets are enough for that
        raise ValueError("labels are nested too deeply") from error


def _beside(name: str, folder: Path | None) -> Path | None:
    """The file of that name in or below the card's folder; None where there is none.

    Whoever downloads a network with its card means no other file of this machine to be read.
    """
    if folder is None or Path(name).is_absolute() or ".." in Path(name).parts or not name.isprintable():
        return None
    return folder / name if (folder / name).is_file() else None


def _text_files(folder: Path | None) -> list[str]:
    return [] if folder is None else sorted(path.name for path in folder.glob("*.txt"))


def _names_of_lines(path: Path) -> dict[int, str]:
    lines = read_text(path, "the labels", LARGEST_FILE_BYTES).rstrip().splitlines()
    names = [one_line(line) for line in lines]
    if "" in names or not names:
        raise ValueError(f"labels: line {names.index('') + 1 if names else 1} of {path} is empty")
    return dict(enumerate(names))
