"""A weight in another file is found wherever in a network it is, however its bytes are written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.base.errors import ModelRefusedError
from edge_runtime.model.one_file import require_one_file
from tests.attacks.data_files import external, keep_outside
from tests.attacks.networks import network, save

WEIGHT = numpy_helper.from_array(np.ones(4, np.float32), "weight")
OUTSIDE = external(WEIGHT, location="weights.bin")


def constant(tensor: TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["constant"], value=tensor)


def graph(nodes: list[onnx.NodeProto], weights: list[TensorProto] | None = None) -> onnx.GraphProto:
    return helper.make_graph(nodes, "inner", [], [], weights or [])


def in_a_constant(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.node.append(constant(tensor))


def in_a_list(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("many", [WEIGHT, tensor]))


def in_a_branch(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("then_branch", graph([], [tensor])))


def in_a_branch_of_a_branch(model: onnx.ModelProto, tensor: TensorProto) -> None:
    inner = helper.make_node("If", ["condition"], ["y"])
    inner.attribute.append(
        helper.make_attribute("bodies", [graph([constant(WEIGHT)]), graph([constant(tensor)])])
    )
    model.graph.node[0].attribute.append(helper.make_attribute("else_branch", graph([inner])))


def in_a_function(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.functions.append(
        helper.make_function("own", "F", [], ["constant"], [constant(tensor)], [helper.make_opsetid("", 17)])
    )


def in_the_default_of_a_function(model: onnx.ModelProto, tensor: TensorProto) -> None:
    in_a_function(model, WEIGHT)
    model.functions[0].attribute_proto.append(helper.make_attribute("value", tensor))


def in_a_sparse_weight(model: onnx.ModelProto, tensor: TensorProto) -> None:
    indices = numpy_helper.from_array(np.arange(4), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(tensor, indices, [9]))


def in_a_sparse_attribute(model: onnx.ModelProto, tensor: TensorProto) -> None:
    sparse = helper.make_sparse_tensor(tensor, numpy_helper.from_array(np.arange(4), "indices"), [9])
    model.graph.node[0].attribute.append(helper.make_attribute("sparse", sparse))
    model.graph.node[0].attribute.append(helper.make_attribute("sparse_ones", [sparse]))


def in_training(model: onnx.ModelProto, tensor: TensorProto) -> None:
    model.training_info.add().algorithm.CopyFrom(graph([], [tensor]))


PLACES = [
    in_a_constant,
    in_a_list,
    in_a_branch,
    in_a_branch_of_a_branch,
    in_a_function,
    in_the_default_of_a_function,
    in_a_sparse_weight,
    in_a_sparse_attribute,
    in_training,
]


@pytest.mark.parametrize("put", PLACES, ids=lambda put: put.__name__)
def test_found_wherever_it_is(put: Callable[[onnx.ModelProto, TensorProto], None], tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for tensor, outside in ((WEIGHT, False), (OUTSIDE, True)):
        model = network()
        put(model, tensor)
        save(model, path)
        if outside:
            with pytest.raises(ModelRefusedError, match=f"pi-export card {path} -o OUT.onnx"):
                require_one_file(path)
        else:
            require_one_file(path)


def test_no_way_to_a_tensor_is_forgotten() -> None:
    """What leads from a model to a tensor in onnx's own description of its format is tried above."""
    ways: set[tuple[str, str]] = set()
    waiting = [onnx.ModelProto.DESCRIPTOR]
    seen = set()
    while waiting:
        message = waiting.pop()
        if message.full_name not in seen:
            seen.add(message.full_name)
            inner = [field for field in message.fields if field.message_type is not None]
            waiting += [field.message_type for field in inner]
            ways |= {
                (message.name, field.name) for field in inner if field.message_type.name == "TensorProto"
            }
    assert ways == {
        ("AttributeProto", "t"),
        ("AttributeProto", "tensors"),
        ("GraphProto", "initializer"),
        ("SparseTensorProto", "indices"),
        ("SparseTensorProto", "values"),
    }


def field(number: int, content: bytes, length: bytes | None = None) -> bytes:
    """A field of bytes; its length may be written in more bytes than it needs."""
    return bytes([number << 3 | 2]) + (bytes([len(content)]) if length is None else length) + content


@pytest.mark.parametrize(
    ("location", "tail"),
    [(b"\x70\x01", b""), (b"\x70\x81\x80\x00", b""), (b"\x70\x01\x70\x00", b""), (b"\x70\x01", b"\x0b\x0c")],
    ids=["plain", "longer than need be", "said twice", "before a group"],
)
def test_found_however_it_is_written(location: bytes, tail: bytes, tmp_path: Path) -> None:
    tensor = field(13, field(1, b"location") + field(2, b"w.bin")) + location + tail
    model = b"\x08\x08" + field(7, field(5, tensor, bytes([0x80 | len(tensor), 0x80, 0x00])))
    (tmp_path / "model.onnx").write_bytes(model)
    with pytest.raises(ModelRefusedError):
        require_one_file(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80" * 4096,
        b"\x3a" + b"\xff" * 9 + b"\x01",
        b"\x3a\x7f\x2a",
        b"<!DOCTYPE html>",
        b"\x3b" * 100,
    ],
    ids=["a number without end", "a boundless length", "cut short", "a page", "groups only"],
)
def test_what_is_no_network_passes_and_ends(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    require_one_file(tmp_path / "model.onnx")


def test_the_word_location_alone_says_nothing(tmp_path: Path) -> None:
    model = network()
    model.metadata_props.add(key="location", value="weights.bin")
    model.graph.node[0].name = "location"
    save(model, tmp_path / "model.onnx")
    require_one_file(tmp_path / "model.onnx")


def test_networks_that_onnx_itself_splits_are_refused(tmp_path: Path) -> None:
    model = network()
    keep_outside(model, location="weights.bin")
    save(model, tmp_path / "model.onnx")
    with pytest.raises(ModelRefusedError):
        require_one_file(tmp_path / "model.onnx")
    onnx.save_model(network(), tmp_path / "split.onnx", save_as_external_data=True, size_threshold=0)
    with pytest.raises(ModelRefusedError):
        require_one_file(tmp_path / "split.onnx")
