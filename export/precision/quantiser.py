"""A network in int8: ranges from images, the rule that clips them and the layers in float chosen by trial."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import onnx

from edge_runtime.base.errors import InputError, ModelRefusedError
from export.calibrate.inputs import KeptInputs
from export.precision.activation_ranges import activation_ranges
from export.precision.clipping import RULES, Ends
from export.precision.eight_bits import EightBitNetwork, as_read
from export.precision.in_float import layers_in_float
from export.precision.output_error import relative_error, responses_on
from export.progress import Progress, silent

FEWEST_IMAGES = 8  # ranges of fewer are chance
RANGE_IMAGES = 200
TRIAL_IMAGES = 16


@dataclass(frozen=True)
class Quantised:
    """A network in int8.

    Attributes:
        model: The network.
        rule: How ranges were clipped: a key of ``clipping.RULES``.
        layers: Outputs of the layers that multiply by weights.
        in_float: Those of them that stayed in float.
        images: How many images the ranges are of.
        error: Of what its last layers compute, against the float network, over the variance, on some images.
    """

    model: onnx.ModelProto
    rule: str
    layers: tuple[str, ...]
    in_float: tuple[str, ...]
    images: int
    error: float

    def to_document(self) -> dict[str, Any]:
        """What documents and the model card tell of it."""
        return {
            "clipping": self.rule,
            "layers": len(self.layers),
            "in_float": list(self.in_float),
            "images": self.images,
            "error": self.error,
        }


class Quantiser:
    """Writes networks in int8 by what they do on calibration images."""

    def __init__(self, inputs: KeptInputs, *, threads: int, progress: Progress = silent) -> None:
        """Prepare to quantise.

        Args:
            inputs: The calibration images; at most ``RANGE_IMAGES`` of them are used.
            threads: Threads within one inference.
            progress: Told what is under way.

        Raises:
            InputError: The images are too few.
        """
        if len(inputs) < FEWEST_IMAGES:
            raise InputError(
                f"{len(inputs)} images are too few to know the ranges for int8; give at least "
                f"{FEWEST_IMAGES} to fit on"
            )
        self._inputs = inputs.some(RANGE_IMAGES)
        self._threads = threads
        self._progress = progress

    def __call__(self, model: onnx.ModelProto, work: Mapping[str, int]) -> Quantised:
        """Write a network in int8.

        Args:
            model: The network in float32, its weights as initialisers.
            work: Multiply-adds of its layers, by their outputs.

        Raises:
            ModelRefusedError: It has no layer for int8, cannot run, or computes NaN or infinite values.
        """
        network = EightBitNetwork(model)
        if not network.layers:
            raise ModelRefusedError(
                "no layer of this network multiplies by weights of float32: no int8 for it"
            )
        ranges = activation_ranges(
            model, network.tensors, self._inputs, threads=self._threads, progress=self._progress
        )
        trial = _Trial(network, model, self._inputs.some(TRIAL_IMAGES), self._threads)
        found = {
            name: {tensor: rule(seen) for tensor, seen in ranges.items()} for name, rule in RULES.items()
        }
        rule = min(found, key=lambda name: trial.error(found[name]))
        ends = found[rule]
        kept = layers_in_float(network.layers, work, lambda some: trial.error(ends, some), self._progress)
        written = network.written(ends, kept)
        return Quantised(written, rule, network.layers, kept, len(self._inputs), trial.error(ends, kept))


class _Trial:
    """Tells what int8 would cost, on some images."""

    def __init__(
        self, network: EightBitNetwork, model: onnx.ModelProto, inputs: KeptInputs, threads: int
    ) -> None:
        self._network = network
        self._inputs = inputs
        self._threads = threads
        self._original = responses_on(model, network.last_layers, inputs, threads)

    def error(self, ends: Mapping[str, Ends], in_float: Collection[str] = ()) -> float:
        """Relative error of what the last layers compute."""
        written = self._network.written(ends, in_float)
        names = as_read(written, self._network.last_layers)
        return relative_error(self._original, responses_on(written, names, self._inputs, self._threads))
