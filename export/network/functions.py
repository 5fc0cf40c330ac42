"""Functions that a file defines itself, put in the place of the nodes that call them."""

import onnx
from onnx import inliner

from export.network.topology import all_nodes


def inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions inlined, by onnx's own inliner.

    Args:
        model: Checked: so operators mean the same in a function as in the graph, and its versions of operator
            sets, of which the inliner wants the very same, may be taken for the graph's.

    Returns:
        A copy, or the model itself where it has no functions.
    """
    if not model.functions:
        return model
    aligned = onnx.ModelProto()
    aligned.CopyFrom(model)
    versions = {opset.domain: opset.version for opset in model.opset_import}
    for function in aligned.functions:
        for opset in function.opset_import:
            opset.version = versions.get(opset.domain, opset.version)
    inlined = inliner.inline_local_functions(aligned)
    used = {node.domain for node in all_nodes(inlined.graph)}
    unused = {function.domain for function in model.functions} - used
    for opset in [opset for opset in inlined.opset_import if opset.domain in unused]:
        inlined.opset_import.remove(opset)
    return inlined
