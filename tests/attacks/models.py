"""Makers of hostile networks: each says what it attacks; ``MODEL_ATTACKS`` says what must come of it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.attacks import broken_files, malformed_nodes
from tests.attacks.data_files import external, keep_outside
from tests.attacks.networks import SIZE, model_of, network, save

LOADERS = ("inspect", "reduce", "evaluate", "card")


@dataclass(frozen=True)
class ModelAttack:
    """A hostile model file.

    Attributes:
        make: Writes it.
        codes: The exit code each subcommand must end with.
        says: What the line on standard error must contain.
    """

    make: Callable[[Path], None]
    codes: Mapping[str, int]
    says: str = ""


def no_convolution(path: Path) -> None:
    """Attacks the list of layers; stopped by ``layers.network_of``."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["p"]),
        helper.make_node("Flatten", ["p"], ["scores"]),
    ]
    save(model_of(nodes, {}, ["N", 3, SIZE, SIZE], ["N", 3]), path)


def computed_weights(path: Path) -> None:
    """The convolution's weights are not constants; stopped by ``reasons``, which says why."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[0, 1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["w", "mean"], ["computed"]),
        helper.make_node("Conv", ["image", "computed"], ["c"], "dynamic"),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["scores"]),
    ]
    weights = {"w": np.ones((4, 3, 3, 3), np.float32)}
    save(model_of(nodes, weights, [1, 3, SIZE, SIZE], [1, 4]), path)


def only_depthwise(path: Path) -> None:
    """Nothing in it can be reduced; stopped by ``reduction.run``."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], "depthwise", group=3),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["scores"]),
    ]
    save(model_of(nodes, {"w": np.ones((3, 1, 3, 3), np.float32)}, [1, 3, SIZE, SIZE], [1, 3]), path)


def nan_weights(path: Path) -> None:
    """Poisons every statistic; stopped by ``load``, and by ``evaluate`` and ``golden`` where it comes out."""
    _with_weight_value(path, np.nan)


def infinite_weights(path: Path) -> None:
    """Poisons every statistic; stopped like NaN."""
    _with_weight_value(path, np.inf)


def overflowing_weights(path: Path) -> None:
    """Finite weights whose responses are infinite; stopped where the responses are looked at."""
    model = network()
    for index, scale in ((0, 1e30), (2, 1e30)):
        tensor = model.graph.initializer[index]
        array = numpy_helper.to_array(tensor) * np.float32(scale)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    save(model, path)


def hidden_overflow(path: Path) -> None:
    """Infinite responses of some channels that a clip hides from the network's output, where others vary.

    Stopped where responses are sampled.
    """
    model = network()
    for index, (large, small) in {0: (1e30, 1e30), 2: (1e30, 1e-32)}.items():
        tensor = model.graph.initializer[index]
        array = np.abs(numpy_helper.to_array(tensor))
        half = len(array) // 2
        array = np.concatenate([array[:half] * np.float32(large), array[half:] * np.float32(small)])
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(6), "six"))
    model.graph.node[3].CopyFrom(helper.make_node("Clip", ["c2", "", "six"], ["r2"]))
    save(model, path)


def external_data_above(path: Path) -> None:
    """Reads a file outside its folder through ``../``; stopped by ``external_data``."""
    _with_external_weight(path, "../secret.bin")


def external_data_absolute(path: Path) -> None:
    """Reads any file of the machine; stopped by ``external_data``."""
    _with_external_weight(path, "/etc/passwd")


def external_data_in_constant(path: Path) -> None:
    """The same, hidden in a Constant node; stopped by ``external_data``, which looks at every tensor."""
    model = network()
    tensor = model.graph.initializer[0]
    constant = helper.make_node("Constant", [], ["w1"], value=external(tensor, location="../secret.bin"))
    model.graph.initializer.remove(tensor)
    model.graph.node.insert(0, constant)
    save(model, path)


def output_beyond_memory(path: Path) -> None:
    """A few bytes that ask for 32 GiB or more; stopped by ``shapes`` and the limit of ``cli``."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    shape = np.array([1, 1, max(1 << 16, memory >> 16), 1 << 17], np.int64)
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("Conv", ["image", "w"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMax", ["huge"], ["largest"], keepdims=1),
        helper.make_node("Add", ["c", "largest"], ["s"]),
        helper.make_node("GlobalAveragePool", ["s"], ["p"]),
        helper.make_node("Flatten", ["p"], ["scores"]),
    ]
    weights = {"shape": shape, "w": np.ones((4, 3, 3, 3), np.float32)}
    save(model_of(nodes, weights, [1, 3, SIZE, SIZE], [1, 4]), path)


def two_inputs(path: Path) -> None:
    """Attacks what feeds the network; stopped by ``engines.onnxruntime`` and ``layers``."""
    model = network()
    model.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1]))
    model.graph.node.append(helper.make_node("Identity", ["second"], ["copy"]))
    model.graph.output.append(helper.make_tensor_value_info("copy", TensorProto.FLOAT, [1]))
    save(model, path)


def flat_input(path: Path) -> None:
    """The input is no image; stopped by ``input_form``."""
    nodes = [helper.make_node("Gemm", ["image", "w"], ["scores"], "gemm")]
    save(model_of(nodes, {"w": np.ones((10, 4), np.float32)}, ["N", 10], ["N", 4]), path)


def integer_input(path: Path) -> None:
    """The input takes whole numbers, and the card promises others; stopped by ``input_form``."""
    _with_input_of(path, TensorProto.UINT8)


def large_integer_input(path: Path) -> None:
    """The input takes numbers that no image has; stopped by ``input_form``."""
    _with_input_of(path, TensorProto.INT32)


def _with_input_of(path: Path, element: int) -> None:
    model = network()
    model.graph.input[0].type.tensor_type.elem_type = element
    model.graph.node[0].input[0] = "pixels"
    model.graph.node.insert(0, helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT))
    save(model, path)


def five_channels(path: Path) -> None:
    """The card promises three channels; stopped by ``input_form``."""
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    tensor = model.graph.initializer[0]
    tensor.CopyFrom(numpy_helper.from_array(np.ones((8, 5, 3, 3), np.float32), "w1"))
    save(model, path)


def sequence_output(path: Path) -> None:
    """The output is no tensor; stopped by ``golden.fitted_card``."""
    model = network()
    model.graph.node.append(helper.make_node("SequenceConstruct", ["scores"], ["list"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_sequence_value_info("list", TensorProto.FLOAT, None))
    save(model, path)


def circle(path: Path) -> None:
    """Two nodes that wait for each other; stopped by onnx's checker and by onnxruntime."""
    model = network()
    model.graph.node[0].input[0] = "r2"
    save(model, path)


def unknown_operator(path: Path) -> None:
    """An operator nobody has; stopped by onnx's checker and by onnxruntime."""
    model = network()
    model.graph.node[1].op_type = "Obfuscate"
    save(model, path)


def future_opset(path: Path) -> None:
    """An operator set of the future; stopped by onnx's checker and by onnxruntime."""
    model = network()
    model.opset_import[0].version = 999
    save(model, path)


def weights_cut_short(path: Path) -> None:
    """A weight that claims more values than it holds; stopped by onnx's checker and by onnxruntime."""
    model = network()
    model.graph.initializer[2].raw_data = model.graph.initializer[2].raw_data[:100]
    save(model, path)


def boundless_weights(path: Path) -> None:
    """A weight that claims 2^60 values; stopped by onnx's checker and by onnxruntime."""
    model = network()
    model.graph.initializer[2].dims[0] = 1 << 57
    save(model, path)


def unsuitable_channels(path: Path) -> None:
    """A convolution on as many channels as it does not get; stopped by shape inference and onnxruntime."""
    model = network()
    tensor = model.graph.initializer[2]
    tensor.CopyFrom(numpy_helper.from_array(np.ones((16, 5, 3, 3), np.float32), "w2"))
    save(model, path)


def malformed_card(path: Path) -> None:
    """A card that is not JSON; stopped by ``card.parse_card``."""
    model = network()
    model.metadata_props[0].value = "{"
    save(model, path)


def deep_card(path: Path) -> None:
    """A card nested so deeply that the JSON parser's stack runs out; stopped by ``card.parse_card``."""
    model = network()
    model.metadata_props[0].value = '{"input":' + "[" * 100_000
    save(model, path)


def card_of_other_size(path: Path) -> None:
    """A card for another size than the network's; stopped by ``input_form``."""
    model = network()
    model.metadata_props[0].value = '{"input": {"size": [32, 32]}}'
    save(model, path)


def no_card(path: Path) -> None:
    """Nobody says how to feed it; stopped by ``card.load_card``."""
    model = network(size="side")
    del model.metadata_props[:]
    save(model, path)


def _with_weight_value(path: Path, value: float) -> None:
    model = network()
    for tensor in model.graph.initializer:
        if tensor.name == "w3":
            array = numpy_helper.to_array(tensor).copy()
            array[0, 0] = value
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    save(model, path)


def _with_external_weight(path: Path, location: str) -> None:
    model = network()
    keep_outside(model, location=location)
    (path.parent.parent / "secret.bin").write_bytes(bytes(8 * 3 * 3 * 3 * 4))
    save(model, path)


def _all(code: int) -> dict[str, int]:
    return dict.fromkeys(LOADERS, code)


MODEL_ATTACKS = (
    ModelAttack(broken_files.missing_file, _all(2), "No such file"),
    ModelAttack(broken_files.folder, _all(2), "is a folder"),
    ModelAttack(broken_files.named_pipe, _all(2), "is not a file"),
    ModelAttack(broken_files.endless_device, _all(2), "is not a file"),
    ModelAttack(broken_files.link_to_itself, _all(2), "cannot read"),
    ModelAttack(broken_files.empty_file, _all(2), "is empty"),
    ModelAttack(broken_files.text_file, _all(2), "not an ONNX file"),
    ModelAttack(broken_files.web_page, _all(2), "not an ONNX file"),
    ModelAttack(broken_files.cut_short, _all(2), "cut short"),
    ModelAttack(broken_files.random_bytes, _all(2), "not an ONNX file"),
    ModelAttack(broken_files.other_protobuf, _all(2), "not an ONNX file"),
    ModelAttack(broken_files.no_nodes, {"inspect": 2, "reduce": 2, "card": 2}, "not an ONNX file"),
    ModelAttack(no_convolution, {"inspect": 3, "reduce": 3}, "nothing to reduce"),
    ModelAttack(computed_weights, {"inspect": 0, "reduce": 3}),
    ModelAttack(only_depthwise, {"inspect": 0, "reduce": 3}),
    ModelAttack(nan_weights, _all(3), "NaN"),
    ModelAttack(infinite_weights, _all(3), "infinite"),
    ModelAttack(overflowing_weights, {"reduce": 3, "evaluate": 3, "card": 3}, "infinite"),
    ModelAttack(hidden_overflow, {"reduce": 3}, "infinite"),
    ModelAttack(external_data_above, _all(3), "own folder"),
    ModelAttack(external_data_absolute, _all(3), "own folder"),
    ModelAttack(external_data_in_constant, _all(3), "own folder"),
    ModelAttack(two_inputs, _all(3), "2 inputs"),
    ModelAttack(flat_input, _all(3), "image"),
    ModelAttack(integer_input, {"reduce": 2, "evaluate": 2, "card": 2}, "uint8"),
    ModelAttack(large_integer_input, _all(3), "float image"),
    ModelAttack(five_channels, {"reduce": 2, "evaluate": 2, "card": 2}, "channels"),
    ModelAttack(sequence_output, {"reduce": 3, "evaluate": 3, "card": 3}, "not numbers"),
    ModelAttack(circle, _all(3)),
    ModelAttack(unknown_operator, _all(3), "Obfuscate"),
    ModelAttack(future_opset, {"reduce": 3, "evaluate": 3, "card": 3}),
    ModelAttack(weights_cut_short, _all(3)),
    ModelAttack(boundless_weights, _all(3)),
    ModelAttack(unsuitable_channels, _all(3)),
    ModelAttack(malformed_nodes.reference_outside_a_function, _all(3)),
    ModelAttack(malformed_nodes.no_groups, _all(3)),
    ModelAttack(malformed_nodes.unknown_padding, _all(3)),
    ModelAttack(malformed_nodes.padding_that_is_no_text, _all(3)),
    ModelAttack(malformed_nodes.kernel_shape_of_no_kernel, _all(3)),
    ModelAttack(
        malformed_nodes.kernel_beyond_the_image, {"inspect": 2, "reduce": 2, "evaluate": 3, "card": 3}
    ),
    ModelAttack(malformed_nodes.name_that_is_no_text, {"inspect": 3, "reduce": 3}, "UTF-8"),
    ModelAttack(malformed_nodes.foreign_convolution, {"inspect": 2, "reduce": 2, "evaluate": 3, "card": 3}),
    ModelAttack(malformed_nodes.foreign_product, {"inspect": 0, "reduce": 3, "evaluate": 3, "card": 3}),
    ModelAttack(malformed_card, _all(2), "JSON"),
    ModelAttack(deep_card, _all(2), "JSON"),
    ModelAttack(card_of_other_size, _all(2), "32"),
    ModelAttack(no_card, _all(2)),
)
