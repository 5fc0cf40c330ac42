"""A network in the precision that it is to be delivered in, and what tells how it answers in that."""

from dataclasses import dataclass

import onnx

from export.calibrate.inputs import KeptInputs
from export.network.layers import ReducibleNetwork
from export.precision.half import SUMS_ROUND_TOO, fitted_for_half, rounded_to_half
from export.precision.quantiser import Quantised, Quantiser
from export.progress import Progress, silent


@dataclass(frozen=True)
class Rounded:
    """A network in some precision.

    Attributes:
        model: The network as it is to be written.
        judged: A network for onnxruntime that answers as that one does; the same but for float16, which only
            other processors compute in.
        int8: How it came into int8; None in other precisions.
        doubts: What a reader should know of what is judged, a sentence each.
    """

    model: onnx.ModelProto
    judged: onnx.ModelProto
    int8: Quantised | None = None
    doubts: tuple[str, ...] = ()

    def require_int8(self) -> Quantised:
        """How it came into int8. Raises ``ValueError`` in any other precision."""
        if self.int8 is None:
            raise ValueError("not in int8")
        return self.int8


class Rounding:
    """Brings networks into a precision, by what they do on images."""

    def __init__(
        self, precision: str, inputs: KeptInputs, *, threads: int, progress: Progress = silent
    ) -> None:
        """Prepare.

        Args:
            precision: ``float32``, ``int8`` or ``float16``.
            inputs: The images.
            threads: Threads within one inference.
            progress: Told what is under way.

        Raises:
            InputError: The images are too few.
        """
        self._precision = precision
        self._inputs = inputs
        self._threads = threads
        self._progress = progress
        self._quantiser = (
            Quantiser(inputs, threads=threads, progress=progress) if precision == "int8" else None
        )

    def __call__(self, network: ReducibleNetwork) -> Rounded:
        """A network in this precision.

        Raises:
            ModelRefusedError: It cannot be written so.
        """
        if self._quantiser is not None:
            quantised = self._quantiser(network.model, {row.output: row.macs for row in network.rows})
            return Rounded(quantised.model, quantised.model, quantised)
        if self._precision == "float16":
            fitted = fitted_for_half(network, self._inputs, threads=self._threads, progress=self._progress)
            return Rounded(fitted, rounded_to_half(network, fitted), doubts=(SUMS_ROUND_TOO,))
        return Rounded(network.model, network.model)
