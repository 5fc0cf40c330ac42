"""Makers of files that are no networks: each says what it attacks and what stops it."""

import os
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from tests.attacks.networks import network, save


def missing_file(path: Path) -> None:
    """Attacks opening; stopped by ``one_file.require_model_file``."""


def folder(path: Path) -> None:
    """Attacks opening; stopped by ``one_file.require_model_file``."""
    path.mkdir()


def named_pipe(path: Path) -> None:
    """Would hang whoever opens it; stopped by ``one_file.require_model_file``."""
    os.mkfifo(path)


def endless_device(path: Path) -> None:
    """Never ends when read; stopped by ``one_file.require_model_file``."""
    path.symlink_to("/dev/zero")


def link_to_itself(path: Path) -> None:
    """Attacks opening; stopped by ``one_file.require_model_file``."""
    path.symlink_to(path.name)


def empty_file(path: Path) -> None:
    """Parses as a protobuf message without fields; stopped by ``one_file.require_model_file``."""
    path.write_bytes(b"")


def text_file(path: Path) -> None:
    """A text under the name of a network; stopped by the protobuf parser."""
    path.write_text("This is not a network.\n" * 20)


def web_page(path: Path) -> None:
    """What a failed download leaves; stopped by the protobuf parser."""
    path.write_text("<!DOCTYPE html><html><body>404</body></html>")


def cut_short(path: Path) -> None:
    """A copy that stopped half way; stopped by the protobuf parser."""
    data = network().SerializeToString()
    path.write_bytes(data[: len(data) // 2])


def random_bytes(path: Path) -> None:
    """Garbage; stopped by the protobuf parser."""
    path.write_bytes(np.random.default_rng(0).bytes(4096))


def other_protobuf(path: Path) -> None:
    """A valid protobuf message that is no model; stopped by ``source.read_source`` and onnxruntime."""
    path.write_bytes(helper.make_tensor("x", TensorProto.FLOAT, [2], [1.0, 2.0]).SerializeToString())


def no_nodes(path: Path) -> None:
    """A model without a single node; stopped by ``source.read_source``."""
    model = network()
    del model.graph.node[:]
    save(model, path)
