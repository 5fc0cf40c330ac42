"""Makers of networks that keep a weight in another file: each says what it attacks and what stops it.

The reader of data files is ``external_data``; on the Pi's side ``one_file`` refuses every one of them.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from tests.attacks.networks import network, save

DATA = "weights.bin"
WEIGHT = "w1"


@dataclass(frozen=True)
class DataFileAttack:
    """A network with a hostile data file.

    Attributes:
        make: Writes both.
        code: The exit code that each command of the workstation must end with.
        says: What its line on standard error must contain.
    """

    make: Callable[[Path], None]
    code: int
    says: str


def keep_outside(model: onnx.ModelProto, name: str = WEIGHT, **entries: str) -> bytes:
    """Have a weight of the model lie in a file, by these entries; returns its values."""
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor).tobytes()
    tensor.CopyFrom(external(tensor, **entries))
    return values


def external(tensor: TensorProto, **entries: str) -> TensorProto:
    """The same tensor, its values elsewhere."""
    outside = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    outside.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        outside.external_data.add(key=key, value=value)
    return outside


def link(path: Path) -> None:
    """Reads a file of another folder by a symbolic link; stopped by the look before it is opened."""
    (path.parent / DATA).symlink_to(_secret(path))


def hard_link(path: Path) -> None:
    """Reads a file of another folder that has a name here, too; stopped by the count of its names."""
    os.link(_secret(path), path.parent / DATA)


def link_to_a_folder(path: Path) -> None:
    """Goes through a folder that lies elsewhere; stopped by the look at each folder on the way."""
    secret = _secret(path, location=f"inside/{DATA}")
    (path.parent / "inside").symlink_to(secret.parent)
    secret.rename(secret.parent / DATA)


def above_by_a_way_round(path: Path) -> None:
    """Leaves the folder after a step into it; stopped by the look at the name."""
    (path.parent / "inside").mkdir()
    secret = _secret(path, location=f"inside/../../{DATA}")
    secret.rename(secret.parent / DATA)


def named_pipe(path: Path) -> None:
    """Would hang whoever opens it; stopped by the look before it is opened."""
    _network(path)
    os.mkfifo(path.parent / DATA)


def endless_device(path: Path) -> None:
    """Never ends when read; stopped as a link is."""
    _network(path)
    (path.parent / DATA).symlink_to("/dev/zero")


def folder(path: Path) -> None:
    """No file at all; stopped by the look before it is opened."""
    _network(path)
    (path.parent / DATA).mkdir()


def missing(path: Path) -> None:
    """A network that was copied without its data file; stopped where that is looked at."""
    _network(path)


def nameless(path: Path) -> None:
    """Elsewhere, and nowhere; stopped by the look at the name."""
    _network(path, location="")


def name_of_no_file(path: Path) -> None:
    """A byte of zero in a name, which the system takes for its end; stopped by the look at the name."""
    _network(path, location=f"{DATA}\0.txt")


def name_that_is_no_text(path: Path) -> None:
    """Bytes that are no UTF-8 in the place of a name; stopped by the look at the name."""
    _network(path)
    path.write_bytes(path.read_bytes().replace(DATA.encode(), b"weights\xff\xfe.."))


def length_beyond_the_end(path: Path) -> None:
    """Asks for more than the file holds; stopped by comparing with its size."""
    _with_data(path, length="865")


def offset_beyond_the_end(path: Path) -> None:
    """Begins where the file has ended; stopped by comparing with its size."""
    _with_data(path, offset="865")


def offset_below_zero(path: Path) -> None:
    """Begins before the file does; stopped by the look at the number."""
    _with_data(path, offset="-4")


def boundless_offset(path: Path) -> None:
    """A number of five thousand digits, which takes long to read; stopped by the look at the number."""
    _with_data(path, offset="9" * 5000)


def length_of_no_number(path: Path) -> None:
    """A length in Arabic digits, which Python would read; stopped by the look at the number."""
    _with_data(path, length="\u0668\u0666\u0664")


def fewer_values_than_said(path: Path) -> None:
    """A data file that was cut short, its length untold; stopped by onnx's checker and onnxruntime."""
    (path.parent / DATA).write_bytes(_network(path)[:-4])


def huge(path: Path) -> None:
    """Three GiB of nothing; stopped by the sum of sizes before anything is read."""
    _network(path)
    os.truncate(_touched(path), 3 << 30)


def huge_beside_its_weight(path: Path) -> None:
    """A weight of some bytes in a file of three GiB; stopped by the sum of sizes before anything is read."""
    _network(path, length="864")
    os.truncate(_touched(path), 3 << 30)


def one_place_for_many(path: Path) -> None:
    """A GiB that is read three times; stopped by the sum of lengths before anything is read."""
    model = network()
    for name in ("w1", "w2", "w3"):
        keep_outside(model, name, location=DATA)
    save(model, path)
    os.truncate(_touched(path), 1 << 30)


def _network(path: Path, location: str = DATA, **entries: str) -> bytes:
    model = network()
    values = keep_outside(model, location=location, **entries)
    save(model, path)
    return values


def _with_data(path: Path, **entries: str) -> None:
    (path.parent / DATA).write_bytes(_network(path, **entries))


def _touched(path: Path) -> Path:
    (path.parent / DATA).touch()
    return path.parent / DATA


def _secret(path: Path, location: str = DATA) -> Path:
    """A file outside the network's folder that holds just what is wanted."""
    secret = path.parent.parent / "secret.bin"
    secret.write_bytes(np.zeros(216, np.float32).tobytes())
    _network(path, location)
    return secret


DATA_FILE_ATTACKS = (
    DataFileAttack(link, 3, "is a link"),
    DataFileAttack(hard_link, 3, "is a link"),
    DataFileAttack(link_to_a_folder, 3, "is a link"),
    DataFileAttack(above_by_a_way_round, 3, "own folder"),
    DataFileAttack(named_pipe, 3, "no file"),
    DataFileAttack(endless_device, 3, "is a link"),
    DataFileAttack(folder, 3, "no file"),
    DataFileAttack(missing, 2, "No such file"),
    DataFileAttack(nameless, 3, "own folder"),
    DataFileAttack(name_of_no_file, 3, "own folder"),
    DataFileAttack(name_that_is_no_text, 3, "own folder"),
    DataFileAttack(length_beyond_the_end, 3, "beyond the end"),
    DataFileAttack(offset_beyond_the_end, 3, "beyond the end"),
    DataFileAttack(offset_below_zero, 3, "no number of bytes"),
    DataFileAttack(boundless_offset, 3, "no number of bytes"),
    DataFileAttack(length_of_no_number, 3, "no number of bytes"),
    DataFileAttack(fewer_values_than_said, 3, ""),
    DataFileAttack(huge, 3, "2 GiB"),
    DataFileAttack(huge_beside_its_weight, 3, "2 GiB"),
    DataFileAttack(one_place_for_many, 3, "2 GiB"),
)
