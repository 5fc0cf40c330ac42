"""The judge of a reduction: how far a changed network agrees with the original, without labels."""

from collections.abc import Iterator
from functools import cached_property

import onnx

from edge_runtime.base.errors import InputError
from edge_runtime.model.card import ModelCard
from edge_runtime.model.engines.onnxruntime import open_bytes
from edge_runtime.model.image import Outputs
from export.calibrate.inputs import KeptInputs
from export.judge.agreement import Agreement
from export.judge.comparison import comparison_for


class Judge:
    """Compares networks with the original on the same inputs."""

    def __init__(self, card: ModelCard, original: onnx.ModelProto, inputs: KeptInputs, threads: int) -> None:
        """Prepare to judge; the original runs when it is first needed, and only then.

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
        self._card = card
        self._model = original
        comparison_for(card, self._names)  # its decoder is sound

    def __call__(self, model: onnx.ModelProto) -> Agreement:
        """How far ``model`` agrees with the original.

        Raises:
            InputError: Their outputs cannot be compared.
        """
        comparison = comparison_for(self._card, self._names)
        for original, changed in zip(self._original, self.outputs(model), strict=True):
            comparison.add(original, changed)
        return comparison.agreement()

    def require_something(self) -> None:
        """Compare the original with itself, before long work: what cannot be compared shows there.

        Raises:
            InputError: Its outputs cannot be compared, or are the same for all inputs.
        """
        comparison = comparison_for(self._card, self._names)
        for outputs in self._original:
            comparison.add(outputs, outputs)
        comparison.agreement()

    @property
    def _names(self) -> list[str]:
        return [value.name for value in self._model.graph.output]

    @cached_property
    def _original(self) -> list[Outputs]:
        return list(self.outputs(self._model))

    def outputs(self, model: onnx.ModelProto) -> Iterator[Outputs]:
        """What a network answers to each of the inputs."""
        session = open_bytes(model.SerializeToString(), self._threads)
        name = session.get_inputs()[0].name
        for tensor in self._inputs:
            yield session.run(None, {name: tensor})
