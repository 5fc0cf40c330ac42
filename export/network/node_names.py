"""Names of nodes: for people, but onnxruntime refuses a graph in which two are the same."""

from itertools import count

import onnx

from export.network.messages import messages_in


def make_names_differ(model: onnx.ModelProto) -> None:
    """Give nodes whose name another node of their graph has a name of their own.

    Args:
        model: As it was parsed; it is changed where names repeat, and only in those.
    """
    for part in messages_in(model):
        if isinstance(part, onnx.GraphProto | onnx.FunctionProto):
            _make_differ(part)


def _make_differ(graph: onnx.GraphProto | onnx.FunctionProto) -> None:
    taken = {node.name for node in graph.node}
    seen = {""}  # nodes without a name are no trouble
    for node in graph.node:
        if node.name and node.name in seen:
            node.name = next(name for number in count(2) if (name := f"{node.name}_{number}") not in taken)
            taken.add(node.name)
        seen.add(node.name)
