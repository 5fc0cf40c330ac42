"""What of each tensor depends on what the image shows: its values, and perhaps its shape.

Behind a NonZero, say, another image of the same size gives another shape. A run tells the shapes for one
image only, so of these tensors it must not be taken for a fact.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from export.network.attributes import operator
from export.network.topology import bodies_of

#: The inputs whose values, not shapes alone, decide the shape of what an operator writes.
DECIDING_INPUTS: Mapping[str, tuple[int, ...]] = {
    **{f"com.microsoft::{name}": (0, 1, 2, 3) for name in ("CropAndResize", "Range", "Unique")},
    "com.microsoft::ExpandDims": (1,),
    **dict.fromkeys(("NonZero", "Unique", "ConstantOfShape", "SequenceAt", "StringSplit"), (0, 1)),
    **dict.fromkeys(("BlackmanWindow", "HammingWindow", "HannWindow"), (0,)),
    **dict.fromkeys(("NonMaxSuppression", "Range", "MelWeightMatrix"), (0, 1, 2, 3, 4)),
    **dict.fromkeys(
        ("AffineGrid", "CenterCropPad", "Expand", "OneHot", "Reshape", "Split", "Tile", "TopK"), (1,)
    ),
    **dict.fromkeys(("Squeeze", "Unsqueeze", "SplitToSequence", "Upsample"), (1,)),
    **dict.fromkeys(("Col2Im", "DFT", "Pad", "Resize", "Slice", "STFT"), (1, 2, 3, 4)),
    "Compress": (0, 1),
    "MaxUnpool": (2,),
    **{f"Reduce{name}": (1,) for name in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min")},
    **{f"Reduce{name}": (1,) for name in ("Prod", "Sum", "SumSquare")},
}


@dataclass(frozen=True)
class Dependence:
    """What of a tensor depends on what the image shows; neither of a constant's, nor of a Shape's."""

    values: bool = False
    shape: bool = False


def image_dependence(model: onnx.ModelProto, input_name: str) -> dict[str, Dependence]:
    """What of each tensor depends on the image, those in bodies included; those not named are constants."""
    known = {input_name: Dependence(values=True)}
    _follow(model.graph, known)
    return known


def _follow(graph: onnx.GraphProto, known: dict[str, Dependence]) -> None:
    for node in graph.node:
        bodies = bodies_of(node)
        if bodies:
            _follow_bodies(node, bodies, known)
            continue
        inputs = [known.get(name, Dependence()) for name in node.input]
        written = _written(operator(node), inputs)
        known.update((name, written) for name in node.output if name)


def _written(kind: str, inputs: list[Dependence]) -> Dependence:
    """What an operator without bodies writes."""
    values, shape = any(each.values for each in inputs), any(each.shape for each in inputs)
    if kind in ("Shape", "Size"):
        return Dependence(values=shape)
    deciding = [inputs[index] for index in DECIDING_INPUTS.get(kind, ()) if index < len(inputs)]
    return Dependence(values, shape or any(each.values for each in deciding))


def _follow_bodies(node: onnx.NodeProto, bodies: list[onnx.GraphProto], known: dict[str, Dependence]) -> None:
    """Of an If the condition decides which branch writes, of a Loop its conditions how often it runs.

    The inputs of a body stand where those of its node stand; twice through it, for what a round of a loop
    writes the next one reads.
    """
    loop = operator(node) == "Loop"
    for body in bodies * 2:
        for inner, name in zip(body.input, node.input, strict=False):
            _merge(known, inner.name, known.get(name, Dependence()))
        _follow(body, known)
        for inner, output in zip(body.input[2:] if loop else body.input, body.output[loop:], strict=False):
            _merge(known, inner.name, known.get(output.name, Dependence()))
    conditions = [*node.input[: 2 if loop else 1], *(body.output[0].name for body in bodies if loop)]
    decides = operator(node) != "Scan" and any(known.get(name, Dependence()).values for name in conditions)
    for body in bodies:
        for output, inner in zip(node.output, body.output[loop:], strict=False):
            written = known.get(inner.name, Dependence())
            _merge(known, output, Dependence(written.values or decides, written.shape or decides))


def _merge(known: dict[str, Dependence], name: str, more: Dependence) -> None:
    had = known.get(name, Dependence())
    known[name] = Dependence(had.values or more.values, had.shape or more.shape)
