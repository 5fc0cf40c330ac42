"""Weights that a network keeps in other files, taken into it.

Such a file is named by the network, which may come from anyone. So it is read only if it lies in the
network's own folder, in truth and not by a link, and a size is believed only where the file bears it out. All
of that is looked at before anything is read.
"""

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import onnx

from edge_runtime.base.errors import InputError, ModelRefusedError
from export.network.messages import messages_in

LARGEST_BYTES = (1 << 31) - 1  # of one ONNX file, which the network shall become
_MOST_DIGITS = 18  # of an offset or a length: no file is larger, and longer numbers only take time


@dataclass(frozen=True)
class _Piece:
    """Where the values of a tensor lie in a data file; to its end where no length is given."""

    tensor: onnx.TensorProto
    offset: int
    length: int | None

    def end(self, size: int) -> int:
        """Where they end in a file of a size."""
        return size if self.length is None else self.offset + self.length


def take_in_external_data(model: onnx.ModelProto, path: Path) -> list[bytes]:
    """Put the weights that lie in other files into the model, if there are any.

    Args:
        model: As it was parsed; it is changed.
        path: The file that it was read from.

    Returns:
        What stands in the data files, in the order of their names; empty where there are none.

    Raises:
        ModelRefusedError: One does not lie in the network's own folder, is a link or no file, is shorter than
            the network says, or all together are too large for one ONNX file.
        InputError: One is missing or cannot be read.
    """
    pieces = _pieces(model, path)
    if not pieces:
        return []
    folder = _Folder(path)
    sizes = {location: folder.size(location) for location in pieces}
    _require_true(pieces, sizes, path)
    contents = []
    for location in sorted(pieces):
        content = folder.read(location, sizes[location])
        for piece in pieces[location]:
            piece.tensor.raw_data = content[piece.offset : piece.end(len(content))]
            piece.tensor.ClearField("external_data")
            piece.tensor.ClearField("data_location")
        contents.append(content)
    return contents


def _pieces(model: onnx.ModelProto, path: Path) -> dict[PurePosixPath, list[_Piece]]:
    """The tensors that lie elsewhere, wherever in the network they are, by the file that they lie in."""
    pieces: dict[PurePosixPath, list[_Piece]] = defaultdict(list)
    for part in messages_in(model):
        if isinstance(part, onnx.TensorProto) and part.data_location != onnx.TensorProto.DEFAULT:
            entries = {entry.key: entry.value for entry in part.external_data}
            offset, length = (_number(entries.get(key), part, path) for key in ("offset", "length"))
            pieces[_location(entries.get("location"), part, path)].append(_Piece(part, offset or 0, length))
    return pieces


def _location(value: object, tensor: onnx.TensorProto, path: Path) -> PurePosixPath:
    # What is no UTF-8 arrives as bytes.
    location = PurePosixPath(value) if isinstance(value, str) and value.isprintable() else PurePosixPath()
    if not location.parts or location.is_absolute() or ".." in location.parts:
        raise ModelRefusedError(
            f"{path} keeps weight {tensor.name!r} in {value!r}; only files in its own folder are read"
        )
    return location


def _number(value: object, tensor: onnx.TensorProto, path: Path) -> int | None:
    if value is None:
        return None
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
        raise ModelRefusedError(f"{path}: weight {tensor.name!r} lies at no number of bytes: {value!r:.60}")
    return int(value)


def _require_true(
    pieces: dict[PurePosixPath, list[_Piece]], sizes: dict[PurePosixPath, int], path: Path
) -> None:
    """Refuse what the data files do not hold, and what one file could not."""
    taken = 0
    for location, own in pieces.items():
        size = sizes[location]
        for piece in own:
            if not piece.offset <= piece.end(size) <= size:
                raise ModelRefusedError(
                    f"{path}: weight {piece.tensor.name!r} lies beyond the end of {str(location)!r}, which "
                    f"has {size} bytes: is it the file that belongs to this network, and complete?"
                )
            taken += piece.end(size) - piece.offset
    # Several weights may lie in one place, and a file may hold more than its weights: both count.
    if max(taken, sum(sizes.values())) + path.stat().st_size > LARGEST_BYTES:
        raise ModelRefusedError(f"{path} and its data files are larger than 2 GiB, the most of one file")


class _Folder:
    """The folder that a network lies in: whoever opens a data file goes down from it, and follows no link."""

    def __init__(self, path: Path) -> None:
        self._network = path
        self._path = Path(os.path.realpath(path)).parent

    def size(self, location: PurePosixPath) -> int:
        """Bytes of a data file, once it is known that it is one."""
        with self._open(location) as handle:
            return os.fstat(handle).st_size

    def read(self, location: PurePosixPath, size: int) -> bytes:
        """What stands in a data file of a size."""
        with self._open(location) as handle, open(handle, "rb", closefd=False) as file:
            content = file.read(size + 1)
        if len(content) != size:
            raise InputError(f"{self._path / location} changes while it is read; try again")
        return content

    @contextmanager
    def _open(self, location: PurePosixPath) -> Iterator[int]:
        try:
            with ExitStack() as stack:
                handle = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, handle)
                for place, name in enumerate(location.parts, start=1):
                    handle = self._step(handle, name, location, last=place == len(location.parts))
                    stack.callback(os.close, handle)
                yield handle
        except OSError as error:
            # As in a cache of downloads, where both are links to files of other names.
            hint = (
                "; the network is a link: copy it and its data files, the files themselves, into one folder"
            )
            raise InputError(
                f"{self._network} keeps weights in {self._path / location}, which cannot be read: "
                f"{error.strerror}{hint if self._network.is_symlink() else ''}"
            ) from error

    def _step(self, within: int, name: str, location: PurePosixPath, *, last: bool) -> int:
        """Open a folder on the way, or the file at its end."""
        fits = _is_own_file if last else _is_folder
        # Looked at before it is opened, for a pipe may hang whoever opens it, and a device may act; and
        # after, for it may be another by then.
        if fits(os.stat(name, dir_fd=within, follow_symlinks=False)):
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=within)
            if fits(os.fstat(handle)):
                return handle
            os.close(handle)
        raise ModelRefusedError(
            f"{self._network} keeps weights in {self._path / location}, and {name!r} is a link, or no "
            f"{'file' if last else 'folder'}: put a copy of the data file itself in its place"
        )


def _is_folder(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode)


def _is_own_file(status: os.stat_result) -> bool:
    """Whether it is a file of one name: another name of it, a hard link, may lie in any other folder."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
