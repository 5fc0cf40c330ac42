"""Images that are not trained on, which tell how far a training is, and which of its states was the best."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_runtime.model.card import ModelCard
from export.recovery.network import TorchNetwork
from export.recovery.verdict import Verdict, compare


class HeldOut:
    """Compares a student with its teacher on a few images."""

    def __init__(self, card: ModelCard, teacher: TorchNetwork, batches: Sequence[Tensor]) -> None:
        """Run the teacher.

        Args:
            card: Tells how to compare outputs.
            teacher: The original network.
            batches: The images.
        """
        self._card = card
        self._batches = batches
        self._names = teacher.output_names
        self._original = list(self._outputs(teacher))

    def __call__(self, student: TorchNetwork) -> Verdict:
        """How near the student is to the teacher.

        Raises:
            InputError: They cannot be compared.
        """
        return compare(self._card, self._names, self._original, self._outputs(student))

    def _outputs(self, network: TorchNetwork) -> Iterator[list[NDArray[np.float32]]]:
        """The outputs for each image in turn."""
        for batch in self._batches:
            with torch.no_grad():
                values = network(batch.to(network.device))
            outputs = [values[name].cpu().numpy() for name in self._names]
            for index in range(len(batch)):
                yield [output[index : index + 1] for output in outputs]
