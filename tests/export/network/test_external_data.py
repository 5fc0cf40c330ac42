"""A network that came in several files is the one it would be in one."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge_runtime.base.errors import InputError, ModelRefusedError
from edge_runtime.model.engines.onnxruntime import open_network
from export.network.layers import read_network
from export.network.source import read_source
from export.reduction.file import reduce
from tests.attacks.command_line import run_here
from tests.attacks.data_files import external, keep_outside
from tests.attacks.images import good_images
from tests.attacks.networks import network, save


def as_onnx_does(folder: Path) -> None:
    onnx.save_model(
        network(),
        folder / "model.onnx",
        save_as_external_data=True,
        size_threshold=0,
        location="model.onnx.data",
    )


def a_file_for_each(folder: Path) -> None:
    onnx.save_model(
        network(),
        folder / "model.onnx",
        save_as_external_data=True,
        size_threshold=0,
        all_tensors_to_one_file=False,
    )


def in_a_folder_within(folder: Path) -> None:
    model = network()
    (folder / "data" / "more").mkdir(parents=True)
    (folder / "data" / "more" / "w").write_bytes(keep_outside(model, location="./data/more/w"))
    save(model, folder / "model.onnx")


def in_a_folder_of_the_files_name(folder: Path) -> None:
    model = network()
    (folder / "w").mkdir()
    (folder / "w" / "w").write_bytes(keep_outside(model, location="w/w"))
    save(model, folder / "model.onnx")


def with_offsets(folder: Path) -> None:
    model = network()
    values = {name: keep_outside(model, name) for name in ("w2", "b1")}
    data = b"?" * 4096 + values["w2"] + b"?" * 100 + values["b1"]
    for tensor in model.graph.initializer:
        if tensor.name in values:
            at = data.index(values[tensor.name])
            entries = {"location": "w", "offset": str(at), "length": str(len(values[tensor.name]))}
            tensor.CopyFrom(external(tensor, **entries))
    (folder / "w").write_bytes(data)
    save(model, folder / "model.onnx")


def in_one_place_for_two(folder: Path) -> None:
    model = network()
    for tensor in model.graph.initializer:
        if tensor.name in ("w1", "w2"):
            tensor.CopyFrom(external(tensor, location="w", length=str(4 * int(np.prod(tensor.dims)))))
    w1, w2 = (numpy_helper.to_array(t) for t in network().graph.initializer if t.name in ("w1", "w2"))
    (folder / "w").write_bytes(w2.tobytes())
    save(model, folder / "model.onnx")
    assert w1.nbytes < w2.nbytes


WAYS = [as_onnx_does, a_file_for_each, in_a_folder_within, in_a_folder_of_the_files_name, with_offsets]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.mark.parametrize("split", WAYS, ids=lambda way: way.__name__)
def test_it_is_the_network_that_was_split(split: Callable[[Path], None], folder: Path) -> None:
    split(folder)
    source = read_source(folder / "model.onnx")
    for found, wanted in zip(source.proto.graph.initializer, network().graph.initializer, strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(found), numpy_helper.to_array(wanted))
        assert not found.external_data
    assert [layer.name for layer in read_network(source).reducible] == ["first", "second", "classifier"]


def test_two_weights_may_lie_in_one_place(folder: Path) -> None:
    in_one_place_for_two(folder)
    w1, w2 = (
        numpy_helper.to_array(tensor)
        for tensor in read_source(folder / "model.onnx").proto.graph.initializer
        if tensor.name in ("w1", "w2")
    )
    np.testing.assert_array_equal(w1.ravel(), w2.ravel()[: w1.size])


def test_weights_outside_the_list_of_weights(folder: Path) -> None:
    model = network()
    weight = model.graph.initializer.pop(0)
    constant = helper.make_node("Constant", [], ["w1"], value=external(weight, location="w"))
    model.graph.node.insert(0, constant)
    (folder / "w").write_bytes(numpy_helper.to_array(weight).tobytes())
    save(model, folder / "model.onnx")
    assert read_network(read_source(folder / "model.onnx")).layers[0].parameters == 224


def test_sha256_is_of_the_network_and_its_data_files_in_the_order_of_their_names(folder: Path) -> None:
    a_file_for_each(folder)
    data = sorted(path for path in folder.iterdir() if path.name != "model.onnx")
    joined = b"".join(path.read_bytes() for path in [folder / "model.onnx", *data])
    assert len(data) == 6
    assert read_source(folder / "model.onnx").sha256 == hashlib.sha256(joined).hexdigest()


def test_card_makes_it_one_file_that_runs_anywhere(folder: Path, tmp_path: Path) -> None:
    as_onnx_does(folder)
    whole = tmp_path / "whole.onnx"
    assert run_here("card", folder / "model.onnx", "-o", whole).code == 0
    for path in folder.iterdir():
        path.unlink()
    save(network(), tmp_path / "wanted.onnx")
    image = np.random.default_rng(0).random((1, 3, 16, 16), np.float32)
    wanted, found = (open_network(path, 1).run(image) for path in (tmp_path / "wanted.onnx", whole))
    np.testing.assert_array_equal(found[0], wanted[0])


def test_card_in_its_place_makes_it_one_file_too(folder: Path) -> None:
    as_onnx_does(folder)
    assert run_here("card", folder / "model.onnx").code == 0
    (folder / "model.onnx.data").unlink()
    assert open_network(folder / "model.onnx").card().golden is not None


def test_reduced_from_several_files_or_one(folder: Path, tmp_path: Path) -> None:
    as_onnx_does(folder)
    save(network(), tmp_path / "whole.onnx")
    good_images(tmp_path / "images", count=12)
    split, whole = (
        reduce(model, tmp_path / "images", speedup=1.5, max_drop_percent=100)
        for model in (folder / "model.onnx", tmp_path / "whole.onnx")
    )
    assert split.reduction.model == whole.reduction.model
    assert split.card.provenance is not None
    assert split.card.provenance["source_sha256"] == read_source(folder / "model.onnx").sha256


def test_evaluated_in_several_files(folder: Path, tmp_path: Path) -> None:
    as_onnx_does(folder)
    good_images(tmp_path / "images")
    outcome = run_here("evaluate", folder / "model.onnx", "--images", tmp_path / "images")
    assert outcome.code == 0
    assert "100.00 %" in outcome.out


def test_a_network_that_is_a_link_has_its_data_where_it_really_lies(folder: Path, tmp_path: Path) -> None:
    as_onnx_does(folder)
    (tmp_path / "link.onnx").symlink_to(folder / "model.onnx")
    assert read_source(tmp_path / "link.onnx").sha256 == read_source(folder / "model.onnx").sha256


def test_links_to_both_as_in_a_cache_of_downloads_are_told_what_to_do(folder: Path, tmp_path: Path) -> None:
    as_onnx_does(folder)
    (folder / "model.onnx.data").rename(folder / "0a1b")
    (tmp_path / "model.onnx").symlink_to(folder / "model.onnx")
    (tmp_path / "model.onnx.data").symlink_to(folder / "0a1b")
    with pytest.raises(InputError, match="the network is a link: copy it and its data files"):
        read_source(tmp_path / "model.onnx")


def test_a_data_file_that_may_not_be_read_is_named(folder: Path) -> None:
    as_onnx_does(folder)
    (folder / "model.onnx.data").unlink()
    with pytest.raises(InputError, match=r"model\.onnx\.data, which cannot be read: No such file"):
        read_source(folder / "model.onnx")


def test_a_copy_that_shares_its_bytes_is_told_what_to_do(folder: Path) -> None:
    as_onnx_does(folder)
    (folder / "copy").hardlink_to(folder / "model.onnx.data")
    with pytest.raises(ModelRefusedError, match="put a copy of the data file itself in its place"):
        read_source(folder / "model.onnx")
