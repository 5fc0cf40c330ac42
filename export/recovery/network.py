"""An ONNX graph that torch runs and trains: its weights keep their names, so they go back where they were."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.input_form import only_input
from export.network.attributes import operator, title
from export.network.inputs import input_forms
from export.recovery.operators import OPERATORS, Operator

#: Operators whose weights are trained, and which of their inputs those are.
TRAINED = {
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (1, 2),
    "MatMul": (0, 1),
    "BatchNormalization": (1, 2),
}


@dataclass(frozen=True)
class _Step:
    """A node as it is run.

    Attributes:
        name: For messages: the operator and the layer.
        run: What it does.
        attributes: What it is told.
        inputs: Names of what it reads, empty for what it goes without.
        outputs: Names of what it writes.
        done_with: Names of what nobody reads after it.
    """

    name: str
    run: Operator
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    done_with: tuple[str, ...]


class TorchNetwork:
    """A network of ONNX, run by torch on batches of any size.

    Attributes:
        where: What to call it in messages.
        device: Where it runs.
        input_name: Name of its one input.
        output_names: Names of its outputs.
        weights: Its initialisers, by their names.
        tensors: Names of what its nodes write, in order of execution.
        responses: Names of what those of them write that have weights to be trained.
    """

    def __init__(self, model: onnx.ModelProto, where: str, device: torch.device | None = None) -> None:
        """Read a network.

        Args:
            model: A checked model.
            where: What to call it in messages.
            device: Where it is to run.

        Raises:
            ModelRefusedError: It holds an operator that is not known here.
        """
        self._model = model
        self.where = where
        self.device = device or torch.device("cpu")
        self.input_name = only_input(input_forms(model), where).name
        self.output_names = tuple(value.name for value in model.graph.output)
        self.weights = {tensor.name: self._as_torch(tensor) for tensor in model.graph.initializer}
        self._steps = self._read_steps()
        self.tensors = tuple(name for node in model.graph.node for name in node.output if name)
        self.responses = tuple(node.output[0] for node in model.graph.node if self._trained(node))

    def __call__(self, images: Tensor, keep: Collection[str] = ()) -> dict[str, Tensor]:
        """Run a batch.

        Args:
            images: The network's input, of any number of images.
            keep: Names of further tensors that are wanted.

        Returns:
            The outputs, and what was to be kept, by their names.

        Raises:
            ModelRefusedError: A node does what is not known here.
        """
        values = {**self.weights, self.input_name: images}
        wanted = {*self.output_names, *keep}
        for step in self._steps:
            given = [values[name] if name else None for name in step.inputs]
            try:
                result = step.run(step.attributes, *given)
            except NotImplementedError as error:
                raise ModelRefusedError(
                    f"{self.where}: cannot train a network with {step.name} {error}"
                ) from error
            results = result if isinstance(result, tuple) else (result,)
            values.update(zip(step.outputs, results, strict=False))
            for name in step.done_with:
                if name not in wanted:
                    del values[name]
        return {name: values[name] for name in wanted}

    def trainable(self) -> dict[str, Tensor]:
        """The weights and biases of what multiplies, by their names, ready for gradients."""
        names = {name for node in self._model.graph.node for name in self._trained(node)}
        return {name: self.weights[name].requires_grad_() for name in sorted(names)}

    def written(self, weights: Mapping[str, Tensor]) -> onnx.ModelProto:
        """A copy of the model as it was read, with other weights and nothing else changed.

        Args:
            weights: Those to put in, by their names, in the shapes that they had.
        """
        copy = onnx.ModelProto()
        copy.CopyFrom(self._model)
        for tensor in copy.graph.initializer:
            if tensor.name in weights:
                kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
                values = weights[tensor.name].detach().cpu().contiguous().numpy().astype(kind)
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        return copy

    def _trained(self, node: onnx.NodeProto) -> list[str]:
        places = TRAINED.get(operator(node), ())
        names = [node.input[place] for place in places if place < len(node.input)]
        return [name for name in names if name in self.weights and self.weights[name].is_floating_point()]

    def _as_torch(self, tensor: onnx.TensorProto) -> Tensor:
        values = torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
        return values.to(self.device)

    def _read_steps(self) -> list[_Step]:
        nodes = list(self._model.graph.node)
        kinds = {opset.domain: opset.version for opset in self._model.opset_import}
        opset = kinds.get("", kinds.get("ai.onnx", 1))
        last_reader = {name: index for index, node in enumerate(nodes) for name in node.input if name}
        steps = []
        for index, node in enumerate(nodes):
            run = OPERATORS.get(operator(node))
            layer = node.name or next(iter(node.output), "")
            if run is None:
                raise ModelRefusedError(
                    f"{self.where}: cannot train a network with the operator {title(node)} (layer {layer!r})"
                )
            own = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            own |= {"opset": opset, "outputs": len(node.output), "device": self.device}
            done = tuple({name for name in node.input if name and last_reader[name] == index})
            steps.append(
                _Step(
                    f"the operator {title(node)} (layer {layer!r})",
                    run,
                    own,
                    tuple(node.input),
                    tuple(node.output),
                    done,
                )
            )
        return steps
