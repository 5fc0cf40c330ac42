"""How the error builds up through a reduced network: each layer's response against the original's."""

from collections.abc import Iterable, Sequence

import numpy as np
import onnx

from edge_runtime.model.engines.onnxruntime import open_bytes
from edge_runtime.model.image import Tensor
from export.network.topology import with_outputs


def error_build_up(
    original: onnx.ModelProto,
    reduced: onnx.ModelProto,
    tensors: Sequence[str],
    inputs: Iterable[Tensor],
    threads: int,
) -> dict[str, float]:
    """The relative error of tensors that two networks share: squared error over the original's variance.

    Args:
        original: The network as it was.
        reduced: What became of it.
        tensors: Outputs of layers, named alike in both.
        inputs: What to run both on, two at least: prepared images.
        threads: Threads within one inference.

    Returns:
        The error by tensor; those are left out that the reduced network computes fewer channels of, and those
        that are the same for all inputs.
    """
    sessions = [
        open_bytes(with_outputs(model, tensors).SerializeToString(), threads) for model in (original, reduced)
    ]
    tallies = {tensor: _Tally() for tensor in tensors}
    for tensor in inputs:
        first, second = (
            dict(
                zip(tensors, session.run(list(tensors), {session.get_inputs()[0].name: tensor}), strict=True)
            )
            for session in sessions
        )
        for name in [name for name in tallies if first[name].shape != second[name].shape]:
            del tallies[name]  # narrowed
        for name, tally in tallies.items():
            tally.add(first[name], second[name])
    return {name: error for name, tally in tallies.items() if (error := tally.error()) is not None}


class _Tally:
    """Sums over all values of a tensor, by channel: the mean of each channel is no signal."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: np.ndarray | float = 0.0
        self._squares: np.ndarray | float = 0.0
        self._error = 0.0

    def add(self, original: np.ndarray, reduced: np.ndarray) -> None:
        values = original.astype(np.float64).reshape(*original.shape[:2], -1)
        self._count += values.shape[0] * values.shape[2]
        self._sum = self._sum + values.sum(axis=(0, 2))
        self._squares = self._squares + np.square(values).sum(axis=(0, 2))
        self._error += float(np.square(reduced.astype(np.float64) - original).sum())

    def error(self) -> float | None:
        if self._count == 0:
            return None
        spread = float(np.sum(self._squares - np.square(self._sum) / self._count))
        return self._error / spread if spread > 0 else None
