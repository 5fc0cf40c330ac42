"""What counts of a detector's outputs: boxes and scores where the teacher sees something.

Most of a detector's thousands of candidates are background, and what their boxes say matters to nobody. So
the errors of boxes are weighted by how sure the teacher is that there is something, and divided by as much
as it sees in the batch. Scores count everywhere: a false alarm is an error, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edge_runtime.model.card import ModelCard

LEAST_PROBABILITY = 1e-6
LEAST_SEEN = 1.0  # objects, so that a batch that shows nothing does not divide by nothing


@dataclass(frozen=True)
class Candidates:
    """A head's outputs for a batch.

    Attributes:
        boxes: (N, candidates, 4): centre x and y, width and height, or what these are computed from.
        scale: What an error of each is to be divided by: broadcasts to ``boxes``.
        presence: (N, candidates): the probability that there is anything; None where the classes say it.
        classes: (N, candidates, classes): probabilities.
    """

    boxes: Tensor
    scale: Tensor
    presence: Tensor | None
    classes: Tensor

    @property
    def seen(self) -> Tensor:
        """(N, candidates): how sure it is that there is something."""
        return self.classes.amax(-1) if self.presence is None else self.presence


Reader = Callable[[Sequence[Tensor]], Candidates]


def reader_of(card: ModelCard) -> Reader | None:
    """What reads a detector's outputs; None for other networks, and where these suppress boxes themselves."""
    decoder = card.decoder or {}
    kind = decoder.get("kind") if card.task == "detect" else None
    if kind == "ssd":
        variances = torch.tensor(decoder["variances"], dtype=torch.float32)
        return lambda outputs: _ssd(outputs, variances)
    return {"yolov5": _yolov5, "yolov8": _yolov8}.get(str(kind))


def head_loss(teacher: Candidates, student: Candidates) -> Tensor:
    """How far the student's candidates are from the teacher's.

    Args:
        teacher: The teacher's.
        student: The student's, of the same images.
    """
    seen = teacher.seen
    objects = seen.sum().clamp(min=LEAST_SEEN)
    apart = ((student.boxes - teacher.boxes) / teacher.scale).square().sum(-1)
    boxes = apart / (1 + apart)  # a box that is elsewhere is wrong, and no further away is more so
    classes = _divergence(teacher.classes, student.classes).sum(-1)
    total = (seen * boxes).sum()
    if teacher.presence is None or student.presence is None:
        return (total + classes.sum()) / objects
    presence = _divergence(teacher.presence, student.presence)
    return (total + presence.sum() + (seen * classes).sum()) / objects


def _divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """Kullback and Leibler's, of independent probabilities."""
    p, q = (each.float().clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY) for each in (teacher, student))
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


def _yolov5(outputs: Sequence[Tensor]) -> Candidates:
    rows = outputs[0].float()
    return Candidates(rows[..., :4], _sides(rows[..., :4]), rows[..., 4], rows[..., 5:])


def _yolov8(outputs: Sequence[Tensor]) -> Candidates:
    rows = outputs[0].float().transpose(1, 2)
    return Candidates(rows[..., :4], _sides(rows[..., :4]), None, rows[..., 4:])


def _ssd(outputs: Sequence[Tensor], variances: Tensor) -> Candidates:
    # Offsets are shares of an anchor's sides once they are multiplied by the variances.
    offsets = outputs[0].float()
    return Candidates(offsets, 1 / variances.to(offsets.device), None, outputs[1].float())


def _sides(boxes: Tensor) -> Tensor:
    """Width and height, by which errors of the centre and of both are measured."""
    return boxes[..., 2:].clamp(min=1).repeat(1, 1, 2)
