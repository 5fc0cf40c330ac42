"""A source made ready for reduction: checked, functions inlined, weights and batch norm folded."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.engines.onnxruntime import optimise_offline
from export.network.attributes import operator
from export.network.engine_form import with_form
from export.network.folding import fold_constants
from export.network.functions import inline_functions
from export.network.initialisers import constants_as_initialisers
from export.network.messages import messages_in
from export.network.source import SourceModel


def load_model(source: SourceModel) -> onnx.ModelProto:
    """Check a file that was read, and put its weights where they are looked for.

    Args:
        source: The file.

    Returns:
        The model without functions of its own, its Constant nodes turned into initialisers, weights computed
        from constants and batch norm after a Conv folded; the source's own where nothing is to be done. A
        form for ncnn is left out.

    Raises:
        ModelRefusedError: It is malformed, or holds weights that are not finite.
    """
    _refuse_names_of_bytes(source)
    check(source.proto, str(source.path))
    model = constants_as_initialisers(inline_functions(source.proto))
    model = fold_constants(model, str(source.path))
    _refuse_non_finite(model, source.path)
    return with_form(fold_batch_norm(model), None)  # one for ncnn belongs to the graph as it was


def check(model: onnx.ModelProto, where: str) -> None:
    """Run onnx's full check of a model.

    Args:
        model: The model.
        where: What to call it in the message.

    Raises:
        ModelRefusedError: With the first line of what onnx finds.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelRefusedError(f"{where} is not a valid ONNX network: {reason}") from error


def fold_batch_norm(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold each BatchNormalization that follows a Conv into its weights, by onnxruntime's own optimiser.

    The optimiser works on whole graphs, so networks without batch norm are left exactly as they are.
    """
    if not any(operator(node) == "BatchNormalization" for node in model.graph.node):
        return model
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        target = Path(folder) / "folded.onnx"
        optimise_offline(model.SerializeToString(), target)
        folded = onnx.load(target)
    known = {opset.domain for opset in model.opset_import}
    if any(node.domain not in known for node in folded.graph.node):
        return model
    del folded.opset_import[:]
    folded.opset_import.extend(model.opset_import)
    folded = constants_as_initialisers(folded)
    _restore_order(folded, model)
    return folded


def _restore_order(folded: onnx.ModelProto, model: onnx.ModelProto) -> None:
    """The optimiser writes in the order of its hash tables, which may differ from run to run."""
    folded.graph.initializer.sort(key=lambda tensor: tensor.name)
    del folded.metadata_props[:]
    folded.metadata_props.extend(model.metadata_props)


def _refuse_names_of_bytes(source: SourceModel) -> None:
    """Names that are no UTF-8 arrive as bytes, which no message, table or document can show."""
    for message in messages_in(source.proto):
        for field, value in message.ListFields():
            texts = [value] if isinstance(value, str | bytes) else value
            if field.type == field.TYPE_STRING and any(isinstance(text, bytes) for text in texts):
                raise ModelRefusedError(f"{source.path} is not a valid ONNX network: a name is no UTF-8")


def _refuse_non_finite(model: onnx.ModelProto, path: Path) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE) and not np.all(
            np.isfinite(numpy_helper.to_array(tensor))
        ):
            raise ModelRefusedError(f"{path}: weight {tensor.name!r} holds NaN or infinite values")
