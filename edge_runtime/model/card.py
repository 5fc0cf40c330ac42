"""The model card: what a network needs to be run right, carried inside the ONNX file.

It is one JSON object under the key ``pi_infer.card`` of ``metadata_props``, so the Pi reads it through
onnxruntime alone. A JSON file of the same form beside the network (``NAME.json``) serves where the network
carries none; ``pi-export card`` writes one into the other.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import read_text
from edge_runtime.model.card_keys import refuse_wrong_keys, require_decoder
from edge_runtime.model.labels import read_labels

METADATA_KEY = "pi_infer.card"
RESIZES = ("warp", "letterbox", "crop")
COLOURS = ("RGB", "BGR", "GRAY")
LAYOUTS = ("NCHW", "NHWC")
INTERPOLATIONS = ("auto", "nearest", "bilinear", "bicubic", "area")
LARGEST_CARD_BYTES = 64 << 20
TASKS = ("classify", "detect", "raw")
TOLERANCE = 1e-3  # of an output's largest value; kernels of other processors add up in another order


@dataclass(frozen=True)
class InputSpec:
    """How a frame becomes the network's input: ``(pixel * scale - mean) / std``.

    Attributes:
        size: Height and width in pixels.
        resize: ``warp`` stretches; ``letterbox`` keeps the aspect and pads; ``crop`` keeps it and cuts.
        colour: Order of the channels the network expects.
        mean: What is subtracted from ``pixel * scale``: per channel, in the order of ``colour``.
        std: What the difference is divided by: per channel, in the order of ``colour``.
        scale: Factor applied to the pixel (0 to 255) first.
        pad: Grey value (0 to 255) of the letterbox's bars.
        interpolation: ``auto`` is ``area`` when shrinking and ``bilinear`` when enlarging.
        layout: ``NCHW``, channels first, or ``NHWC``, channels last; None where the shape that the network's
            file declares for its input shall tell.
    """

    size: tuple[int, int]
    resize: str = "warp"
    colour: str = "RGB"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    scale: float = 1.0
    pad: int = 114
    interpolation: str = "auto"
    layout: str | None = None

    @property
    def channels(self) -> int:
        """Number of channels of the network's input."""
        return 1 if self.colour == "GRAY" else 3

    @property
    def leaves_pixels(self) -> bool:
        """Whether pixels go into the network as they are, 0 to 255."""
        return self.scale == 1 and not any(self.mean) and set(self.std) == {1}


@dataclass(frozen=True)
class Golden:
    """A known answer: the network's outputs on a frame drawn from ``seed``.

    Attributes:
        seed: Seeds ``numpy.random.default_rng`` for a uint8 frame of the card's input size.
        shapes: Shape of each output.
        samples: Up to 64 evenly spaced values of each output, flattened.
        tolerance: How far another machine's answer may lie from it, relative to an output's largest value.
    """

    seed: int
    shapes: tuple[tuple[int, ...], ...]
    samples: tuple[tuple[float, ...], ...]
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class ModelCard:
    """What travels with a network.

    Attributes:
        input: Preprocessing.
        task: ``classify``, ``detect`` or ``raw``.
        labels: Class index to name; may name only some of the classes.
        decoder: Parameters of the detection head, as given.
        golden: A known answer to check another machine against.
        provenance: What was reduced from what, with which seed and versions.
    """

    input: InputSpec
    task: str = "classify"
    labels: Mapping[int, str] | None = None
    decoder: Mapping[str, Any] | None = None
    golden: Golden | None = None
    provenance: Mapping[str, Any] | None = None

    def label(self, index: int) -> str:
        """Name of class ``index``, or ``class INDEX`` where the card names none."""
        return (self.labels or {}).get(index, f"class {index}")

    def to_json(self) -> str:
        """The card as one deterministic line of JSON."""
        document = {key: value for key, value in asdict(self).items() if value is not None}
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse_card(text: str, where: str, folder: Path | None = None) -> ModelCard:
    """Read a card from JSON.

    Args:
        text: The JSON document.
        where: What to call it in an error message.
        folder: Where a file of labels that it names lies; None if it may name none.

    Raises:
        InputError: It is not JSON, a field is missing, unknown or impossible, or they do not fit each other.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("input"), dict):
        raise InputError(f'{where}: a model card is a JSON object with an "input" object in it')
    try:
        return _card(document, folder)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"{where}: {error}") from error


def load_card(metadata: Mapping[str, str], model: Path, override: Path | None = None) -> ModelCard:
    """The card of a network: ``override`` if given, else the one inside, else ``NAME.json`` beside it.

    Args:
        metadata: The ``metadata_props`` of the network's file.
        model: That file, ``NAME.onnx``.
        override: A card in JSON that takes the place of the network's own.

    Raises:
        InputError: There is none, or it is malformed.
    """
    beside = model.with_suffix(".json")
    if override is not None:
        return read_card_file(override)
    if METADATA_KEY in metadata:
        return parse_card(metadata[METADATA_KEY], f"the model card in {model}")
    if beside.is_file():
        return read_card_file(beside)
    raise InputError(
        f"{model} has no model card (how to resize and normalise its input): "
        f"write one with 'pi-export card {model}', which proposes one, or pass --input CARD.json"
    )


def read_card_file(path: Path) -> ModelCard:
    """Read a card from a JSON file. Raises ``InputError`` if it is unreadable or malformed."""
    return parse_card(read_text(path, "the model card", LARGEST_CARD_BYTES), str(path), path.parent)


def _card(document: Mapping[str, Any], folder: Path | None) -> ModelCard:
    refuse_wrong_keys(document, ModelCard.__dataclass_fields__, InputSpec.__dataclass_fields__)
    task = _one_of("task", document.get("task", "classify"), TASKS)
    require_decoder(task, document.get("decoder"))
    golden = document.get("golden")
    return ModelCard(
        input=_input_spec(document["input"]),
        task=task,
        labels=read_labels(document.get("labels"), folder),
        decoder=document.get("decoder"),
        golden=None if golden is None else _golden(golden),
        provenance=document.get("provenance"),
    )


def _input_spec(fields: Mapping[str, Any]) -> InputSpec:
    height, width = (int(side) for side in fields["size"])
    colour = _one_of("input.colour", fields.get("colour", "RGB"), COLOURS)
    channels = 1 if colour == "GRAY" else 3
    layout = fields.get("layout")
    spec = InputSpec(
        size=(height, width),
        resize=_one_of("input.resize", fields.get("resize", "warp"), RESIZES),
        colour=colour,
        mean=_per_channel("mean", fields.get("mean", 0.0), channels),
        std=_per_channel("std", fields.get("std", 1.0), channels),
        scale=float(fields.get("scale", 1.0)),
        pad=int(fields.get("pad", 114)),
        interpolation=_one_of("input.interpolation", fields.get("interpolation", "auto"), INTERPOLATIONS),
        layout=None if layout is None else _one_of("input.layout", layout, LAYOUTS),
    )
    if min(spec.size) < 1 or max(spec.size) > 8192:
        raise ValueError(f"input.size {list(spec.size)} must be between 1 and 8192")
    if 0.0 in spec.std:
        raise ValueError("input.std must not be zero")
    if not all(math.isfinite(value) for value in (spec.scale, *spec.mean, *spec.std)):
        raise ValueError("input.scale, input.mean and input.std must be finite")
    if not 0 <= spec.pad <= 255:
        raise ValueError(f"input.pad is {spec.pad}; it must be a grey value from 0 to 255")
    return spec


def _per_channel(name: str, value: Any, channels: int) -> tuple[float, ...]:
    values = tuple(float(v) for v in value) if isinstance(value, list | tuple) else (float(value),) * channels
    if len(values) != channels:
        raise ValueError(f"input.{name} needs {channels} values, not {len(values)}")
    return values


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")
    return str(value)


def _golden(fields: Mapping[str, Any]) -> Golden:
    tolerance = float(fields.get("tolerance", TOLERANCE))
    if not 0 < tolerance < 1:
        raise ValueError(f"golden.tolerance is {tolerance:g}; it must be between 0 and 1")
    return Golden(
        seed=int(fields["seed"]),
        shapes=tuple(tuple(int(n) for n in shape) for shape in fields["shapes"]),
        samples=tuple(tuple(float(v) for v in values) for values in fields["samples"]),
        tolerance=tolerance,
    )
