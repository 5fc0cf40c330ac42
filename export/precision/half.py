"""Networks for float16: their values made to fit its range, or refused, and what rounding to it costs."""

import math
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from export.calibrate.inputs import KeptInputs
from export.network.attributes import Attributes, operator
from export.network.layers import ReducibleNetwork
from export.network.scaling import scaled_down
from export.precision.activation_ranges import activation_ranges
from export.progress import Progress, silent

LARGEST = 65504.0  # beyond it float16 is infinite
ALLOWED = LARGEST / 4  # other images reach further, and so do the sums within a layer
WANTED = 256.0

#: What a reader should know of an agreement that was judged by ``rounded_to_half``.
SUMS_ROUND_TOO = (
    "a processor that computes in float16 rounds its sums, too, which costs more than is seen here: compare "
    "with the known answer on the device, by 'pi-infer doctor --engine ncnn'"
)

AVERAGES = frozenset({"AveragePool", "GlobalAveragePool"})  # which add up before they divide


def fitted_for_half(
    network: ReducibleNetwork, inputs: KeptInputs, *, threads: int, progress: Progress = silent
) -> onnx.ModelProto:
    """A network that computes the same from values that float16 can hold.

    Args:
        network: The network.
        inputs: Images, to see how large its values become.
        threads: Threads within one inference.
        progress: Told after each image of each pass.

    Raises:
        ModelRefusedError: Its values go beyond float16, where they cannot be scaled.
    """
    before = _reached(network, network.model, inputs, threads, progress)
    model = scaled_down(network.model, before, WANTED)
    after = _reached(network, model, inputs, threads, progress)
    worst = max(after, key=lambda name: after[name])
    if after[worst] > ALLOWED:
        raise ModelRefusedError(
            f"float16 holds at most {LARGEST:.0f}, and the network reaches {after[worst]:.0f} at {worst!r}, "
            "which cannot be scaled down: keep it in float32"
        )
    return model


def rounded_to_half(network: ReducibleNetwork, model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model that rounds its weights, and every value between its operators, to float16.

    Within an operator it adds up in float32; a processor that computes in float16 rounds there, too.

    Args:
        network: The network as read, of which the model has the tensors.
        model: The model.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            with np.errstate(over="ignore"):  # infinite weights show in what is judged
                values = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
    nodes: list[onnx.NodeProto] = []
    for node in copy.graph.node:
        rounded = [name for name in node.output if name in network.float_tensors]
        for index, name in enumerate(node.output):
            if name in rounded:
                node.output[index] = f"{name}_exact"
        nodes.append(node)
        for name in rounded:
            exact, half = f"{name}_exact", f"{name}_half"
            nodes.append(helper.make_node("Cast", [exact], [half], to=TensorProto.FLOAT16))
            nodes.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
    kept = onnx.GraphProto(node=nodes)
    del copy.graph.node[:]
    copy.graph.node.extend(kept.node)
    return copy


def _reached(
    network: ReducibleNetwork, model: onnx.ModelProto, inputs: KeptInputs, threads: int, progress: Progress
) -> Mapping[str, float]:
    """The largest magnitude of each tensor, and of what average pools add up of it."""
    names = {name for node in model.graph.node for name in node.output} & network.float_tensors
    ranges = activation_ranges(model, names, inputs, threads=threads, progress=progress)
    reached = {name: max(-each.lowest, each.highest) for name, each in ranges.items()}
    for node in model.graph.node:
        if operator(node) in AVERAGES and {node.input[0], node.output[0]} <= reached.keys():
            sides = network.shapes[node.input[0]][2:]
            if operator(node) == "AveragePool":
                sides = Attributes(node).integers("kernel_shape", (1,) * len(sides))
            summed = math.prod(sides) * reached[node.output[0]]
            reached[node.input[0]] = max(reached[node.input[0]], summed)
    return reached
