"""The form for ncnn in the metadata of a model."""

import onnx

from edge_runtime.model.ncnn_form import METADATA_KEY, NcnnForm


def with_form(model: onnx.ModelProto, form: NcnnForm | None) -> onnx.ModelProto:
    """A model that carries this form in place of any it had.

    Args:
        model: The model.
        form: The form; None for a model that carries none.

    Returns:
        A copy; the model itself where nothing is to be changed.
    """
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    if form is None and len(kept) == len(model.metadata_props):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.metadata_props[:]
    copy.metadata_props.extend(kept)
    if form is not None:
        copy.metadata_props.add(key=METADATA_KEY, value=form.to_json())
    return copy
