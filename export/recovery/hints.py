"""How far the student's responses are from the teacher's: what training makes smaller.

The student is the reduced network, the teacher the original. A reduction leaves the names of responses as
they are, so both write many tensors of one name; of these every difference counts, over the variance of the
teacher's. Of a classifier no term looks at the outputs alone: on few images it fits those, and new ones get
worse. Of a detector one does, which weighs boxes by whether there is anything in them.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from export.recovery.heads import Reader, head_loss
from export.recovery.network import TorchNetwork

Tensors = Mapping[str, Tensor]

LEAST_VARIANCE = 1e-6  # of the mean square: less is rounding
HINTS_SHARE = 5.0  # of a detector's loss, to once that of its head


def shared_responses(teacher: TorchNetwork, student: TorchNetwork, images: Tensor) -> list[str]:
    """Names of the responses that both networks give, in the same shape.

    Args:
        teacher: The original network.
        student: What became of it.
        images: A small batch.
    """
    known = set(teacher.tensors)
    names = [name for name in student.responses if name in known]
    with torch.no_grad():
        original, changed = teacher(images, names), student(images, names)
    # A layer that lost channels which nobody reads gives fewer responses under the same name.
    return [name for name in names if original[name].shape == changed[name].shape]


class Loss(Protocol):
    """What training makes smaller."""

    @property
    def names(self) -> Sequence[str]:
        """The responses that it compares."""
        ...

    def __call__(self, teacher: Tensors, student: Tensors) -> Tensor:
        """The loss of a batch.

        Args:
            teacher: The teacher's responses and outputs.
            student: The student's.
        """
        ...


class Hints:
    """The loss of a student: the mean, over shared responses, of the squared error over the variance."""

    def __init__(self, names: Sequence[str], teacher: Tensors) -> None:
        """Measure the variances.

        Args:
            names: The shared responses.
            teacher: The teacher's responses to some images.
        """
        self.names = tuple(names)
        self._variances = {name: _variance(teacher[name]) for name in names}

    def __call__(self, teacher: Tensors, student: Tensors) -> Tensor:
        """The loss of a batch: see ``Loss``."""
        errors = [
            (student[name] - teacher[name]).square().mean(dtype=torch.float32) / self._variances[name]
            for name in self.names
        ]
        return torch.stack(errors).mean()


class DetectorLoss:
    """The loss of a detector: what its head says, and the hints."""

    def __init__(self, hints: Hints, reader: Reader, outputs: Sequence[str]) -> None:
        """Put them together.

        Args:
            hints: On the responses.
            reader: Reads the outputs.
            outputs: Their names, in order.
        """
        self.names = hints.names
        self._hints = hints
        self._reader = reader
        self._outputs = outputs

    def __call__(self, teacher: Tensors, student: Tensors) -> Tensor:
        """The loss of a batch: see ``Loss``."""
        heads = [self._reader([values[name] for name in self._outputs]) for values in (teacher, student)]
        return head_loss(*heads) + HINTS_SHARE * self._hints(teacher, student)


def _variance(response: Tensor) -> float:
    """Mean over channels of their variance; infinite for a layer that answers the same to everything."""
    values = response.float()
    channels = 1 if values.ndim == 4 else values.ndim - 1
    others = [axis for axis in range(values.ndim) if axis != channels]
    variance = float(values.var(others, correction=0).mean())
    return variance if variance > LEAST_VARIANCE * float(values.square().mean()) else float("inf")
