"""How far the student's responses are from the teacher's: what training makes smaller.

The student is the reduced network, the teacher the original. A reduction leaves the names of responses as
they are, so both write many tensors of one name; of these every difference counts, over the variance of the
teacher's. No term looks at the outputs alone: on few images it fits those, and new ones get worse.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from export.recovery.network import TorchNetwork

Tensors = Mapping[str, Tensor]


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
        """The loss of a batch.

        Args:
            teacher: The teacher's responses.
            student: The student's.
        """
        errors = [
            (student[name] - teacher[name]).square().mean(dtype=torch.float32) / self._variances[name]
            for name in self.names
        ]
        return torch.stack(errors).mean()


def _variance(response: Tensor) -> float:
    """Mean over channels of their variance, which must not be 0: a dead layer has nothing to say."""
    others = [
        axis for axis in range(response.ndim) if axis != (1 if response.ndim == 4 else response.ndim - 1)
    ]
    variance = float(response.float().var(others, correction=0).mean())
    return variance if variance > 0 else float("inf")
