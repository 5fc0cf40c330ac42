"""The original and the reduced network of a recovery, and what the reduced one's card tells of its origin."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import onnx

from edge_runtime.base.errors import InputError
from edge_runtime.inference import Model
from edge_runtime.model.card import ModelCard
from edge_runtime.model.input_form import fitted
from edge_runtime.model.network import default_threads
from export.calibrate.calibration_set import JUDGED_EVERY
from export.judge.output_shapes import require_comparable
from export.network.batch import with_batch_of_one
from export.network.load import check, load_model
from export.network.source import SourceModel
from export.recovery.alike import require_same_outputs
from export.reduction.defaults import MAX_IMAGES, SEED
from export.reduction.sense import require_count

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """The original and the reduced network, ready to be compared.

    Attributes:
        teacher: The original, as ``reduce`` reads it.
        student: The reduced network, as it stands in its file.
        card: Of the reduced network.
        teacher_name: What to call the original in messages.
        student_name: What to call the reduced network.
    """

    teacher: onnx.ModelProto
    student: onnx.ModelProto
    card: ModelCard
    teacher_name: str
    student_name: str


def read_pair(original: SourceModel, reduced: SourceModel, card: ModelCard) -> Pair:
    """Ready two networks, once it is known that they take the same images and give the same outputs.

    Args:
        original: The teacher.
        reduced: The student.
        card: Of the student.

    Raises:
        InputError: They are not of one origin, or the card does not fit them.
        ModelRefusedError: One is malformed or cannot run, or its outputs cannot be compared.
    """
    check(reduced.proto, str(reduced.path))
    made_of = _origin(card)
    if made_of is not None and made_of != original.sha256:
        log.warning("%s was reduced from another file than %s", reduced.path, original.path)
    original = with_batch_of_one(original, card.input.size, card.input.layout)
    if original.input.element != reduced.input.element:
        raise InputError(
            f"{reduced.path} takes {reduced.input.element} and {original.path} {original.input.element}: "
            "give the network it was reduced from"
        )
    complete = replace(card, input=fitted(card.input, reduced.input, reduced.path))
    teacher, student = (Model(each.network(default_threads()), complete) for each in (original, reduced))
    require_same_outputs(teacher, student)
    require_comparable(teacher, original.proto)
    return Pair(load_model(original), reduced.proto, complete, str(original.path), str(reduced.path))


def images_chosen(card: ModelCard) -> tuple[int, int]:
    """How many images ``reduce`` chose from a folder, and by which seed: the same are kept apart again.

    Args:
        card: Of the reduced network; what it does not tell is taken as ``reduce`` does unless told otherwise.

    Raises:
        InputError: What it tells makes no sense.
    """
    step = next((step for step in _steps(card) if "max_images" in step), {})
    count, seed = step.get("max_images", MAX_IMAGES), step.get("seed", SEED)
    require_count("max_images of the card's provenance", count, 1)
    require_count("seed of the card's provenance", seed, 0)
    return count * JUDGED_EVERY // (JUDGED_EVERY - 1), seed


def _origin(card: ModelCard) -> str | None:
    """SHA-256 of the network that was reduced last; None where the card does not tell."""
    step = next((step for step in _steps(card) if "max_images" in step), {})
    return step.get("source_sha256")


def _steps(card: ModelCard) -> Iterator[dict[str, Any]]:
    """What the card tells of how the network came about, the last step first."""
    step: Any = card.provenance
    while isinstance(step, dict):
        yield step
        step = step.get("source_provenance")
