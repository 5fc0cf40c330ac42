"""Makers of networks that people have and that cannot be fed or compared: each says what it is in the way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.model.card import METADATA_KEY
from tests.attacks.networks import SIZE, network, save

#: What can be run on a network: the workstation's commands, and the Pi's.
COMMANDS = ("inspect", "reduce", "evaluate", "card", "live", "bench", "doctor")


@dataclass(frozen=True)
class UnsupportedForm:
    """A network that is refused.

    Attributes:
        make: Writes it.
        code: The exit code of each command that refuses it.
        says: What the one line must name: the cause, and what to do.
        accepts: Commands that take it all the same.
    """

    make: Callable[[Path], None]
    code: int
    says: tuple[str, ...]
    accepts: frozenset[str] = frozenset()


def image_with_its_size(path: Path) -> None:
    """PaddlePaddle's detectors ask for the image's size and scale, too."""
    _with_further_inputs(path, {"im_shape": ["N", 2], "scale_factor": ["N", 2]})


def image_with_a_switch(path: Path) -> None:
    """TensorFlow's exports ask whether they are being trained."""
    _with_further_inputs(path, {"is_training": []})


def pair_of_images(path: Path) -> None:
    """Two pictures to compare."""
    _with_further_inputs(path, {"other": ["N", 3, SIZE, SIZE]})


def no_input(path: Path) -> None:
    """Everything in it is a constant."""
    model = network()
    image = model.graph.input.pop()
    model.graph.initializer.append(
        numpy_helper.from_array(np.ones((1, 3, SIZE, SIZE), np.float32), image.name)
    )
    save(model, path)


def large_integers(path: Path) -> None:
    """No image has values of 64 bits."""
    _with_input(path, TensorProto.INT64, ["N", 3, SIZE, SIZE])


def video_clip(path: Path) -> None:
    """Five axes: frames of a film at once."""
    model = network()
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 3, SIZE, SIZE])
    )
    _begin_with(model, "Squeeze", axes=[0])
    model.opset_import[0].version = 11
    save(model, path)


def four_channels_last(path: Path) -> None:
    """Colour and depth, as Keras would have them."""
    _with_input(path, TensorProto.FLOAT, ["N", SIZE, SIZE, 4])


def card_of_the_other_layout(path: Path) -> None:
    """The card contradicts what the shape shows."""
    model = network()
    _say(model, f'{{"input": {{"size": [{SIZE}, {SIZE}], "layout": "NHWC"}}}}')
    save(model, path)


def unknown_layout(path: Path) -> None:
    """An order of axes that nobody has."""
    model = network()
    _say(model, f'{{"input": {{"size": [{SIZE}, {SIZE}], "layout": "CHWN"}}}}')
    save(model, path)


def batch_that_matters(path: Path) -> None:
    """Exported for eight images, and a shape within holds the eight."""
    model = network()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 8
    model.graph.initializer.append(numpy_helper.from_array(np.array([8, 16]), "shape"))
    model.graph.node[5].CopyFrom(helper.make_node("Reshape", ["p", "shape"], ["f"], "reshape"))
    save(model, path)


def half_precision(path: Path) -> None:
    """Weights of float16: it runs, and is not reduced."""
    model = network()
    for tensor in model.graph.initializer:
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    save(model, path)


def normalised_bytes(path: Path) -> None:
    """Takes bytes, and its card would have them between 0 and 1."""
    _with_input(path, TensorProto.UINT8, ["N", 3, SIZE, SIZE])


def output_of_any_length(path: Path) -> None:
    """The classes that score enough: how many, the image decides."""
    model = network()
    model.graph.node.append(helper.make_node("NonZero", ["scores"], ["found"]))
    model.graph.output.append(helper.make_tensor_value_info("found", TensorProto.INT64, [2, "K"]))
    save(model, path)


def weights_elsewhere(path: Path) -> None:
    """As PyTorch's exporter writes it: two files, of which the Pi takes none."""
    onnx.save_model(
        network(), path, save_as_external_data=True, size_threshold=0, location=f"{path.name}.data"
    )


def _with_further_inputs(path: Path, inputs: Mapping[str, list[int | str]]) -> None:
    model = network()
    for name, shape in inputs.items():
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        model.graph.node.append(helper.make_node("Identity", [name], [f"{name}_again"]))
        model.graph.output.append(helper.make_tensor_value_info(f"{name}_again", TensorProto.FLOAT, shape))
    save(model, path)


def _with_input(path: Path, element: int, shape: list[int | str]) -> None:
    model = network()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", element, shape))
    _begin_with(model, "Cast", to=TensorProto.FLOAT)
    save(model, path)


def _begin_with(model: onnx.ModelProto, op_type: str, **attributes: object) -> None:
    model.graph.node[0].input[0] = "begun"
    model.graph.node.insert(0, helper.make_node(op_type, ["image"], ["begun"], **attributes))


def _say(model: onnx.ModelProto, card: str) -> None:
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=card)


ON_THE_PI = frozenset({"live", "bench", "doctor"})
ON_THE_WORKSTATION = frozenset(COMMANDS) - ON_THE_PI

UNSUPPORTED_FORMS = (
    UnsupportedForm(image_with_its_size, 3, ("'image'", "'im_shape' (?, 2)", "'scale_factor'", "constants")),
    UnsupportedForm(image_with_a_switch, 3, ("2 inputs", "'is_training' ()", "constants")),
    UnsupportedForm(pair_of_images, 3, ("2 inputs", f"'other' (?, 3, {SIZE}, {SIZE})")),
    UnsupportedForm(no_input, 3, ("no input",)),
    UnsupportedForm(large_integers, 3, ("tensor(int64)", "a float image is needed")),
    UnsupportedForm(video_clip, 3, ("5 dimensions", "(N, H, W, C)")),
    UnsupportedForm(four_channels_last, 2, ("neither 1 nor 3 channels",)),
    UnsupportedForm(card_of_the_other_layout, 2, ("is NCHW", "correct input.layout")),
    UnsupportedForm(unknown_layout, 2, ("input.layout", "NCHW, NHWC")),
    UnsupportedForm(batch_that_matters, 3, ("batches of 8 images",)),
    UnsupportedForm(half_precision, 3, ("float16", "save it in float32"), frozenset(COMMANDS) - {"reduce"}),
    UnsupportedForm(normalised_bytes, 2, ("uint8", "input.scale 1"), frozenset({"inspect"})),
    UnsupportedForm(
        output_of_any_length,
        3,
        ("'found' is depends on the image",),
        frozenset(COMMANDS) - {"reduce", "evaluate"},
    ),
    UnsupportedForm(weights_elsewhere, 3, ("in another file", "pi-export card"), ON_THE_WORKSTATION),
)
