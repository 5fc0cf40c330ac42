"""The judge of a reduction: how far a changed network agrees with the original, without labels."""

from functools import cached_property

import onnx

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard
from edge_runtime.model.engines.onnxruntime import open_bytes
from export.calibrate.inputs import KeptInputs
from export.judge.agreement import Outputs, comparison_for


class Judge:
    """Compares networks with the original on the same inputs."""

    def __init__(self, card: ModelCard, original: onnx.ModelProto, inputs: KeptInputs, threads: int) -> None:
        """Prepare to judge; the original runs when the first network is judged, and only then.

        Args:
            card: Tells how to compare outputs.
            original: What to compare with.
            inputs: What all networks are run on: images that no fit has seen.
            threads: Threads for onnxruntime.

        Raises:
            InputError: There are no inputs, or the card's decoder is malformed.
        """
        if len(inputs) == 0:
            raise InputError("too few images can be read to judge the result by some of them; give more")
        self._inputs = inputs
        self._threads = threads
        self._compare = comparison_for(card)
        self._model = original

    def __call__(self, model: onnx.ModelProto) -> float:
        """Agreement of ``model`` with the original, in percent."""
        return self._compare(self._original, self._outputs(model))

    @cached_property
    def _original(self) -> list[Outputs]:
        return self._outputs(self._model)

    def _outputs(self, model: onnx.ModelProto) -> list[Outputs]:
        session = open_bytes(model.SerializeToString(), self._threads)
        name = session.get_inputs()[0].name
        return [session.run(None, {name: tensor}) for tensor in self._inputs]
