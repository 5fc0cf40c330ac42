"""Pictures from a folder (or one picture), each exactly once, in the order of their names."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.frames.base import FRAME_LIMIT_S, Frame
from edge_runtime.frames.image_file import EXTENSIONS, is_image_name, read_image

log = logging.getLogger(__name__)


class FolderSource:
    """Reads every picture under a folder. Unreadable ones are skipped, named in a warning and counted.

    A picture in a sub-folder has that sub-folder's name as its label.

    Attributes:
        skipped: The pictures that could not be read so far.
    """

    live = False
    limit_s = FRAME_LIMIT_S

    def __init__(self, path: Path) -> None:
        """List the pictures.

        Args:
            path: A folder, searched with its sub-folders, or one picture.

        Raises:
            InputError: It does not exist, cannot be listed, or holds no picture.
        """
        self.skipped: list[Path] = []
        self._root = path if path.is_dir() else path.parent
        self._paths = _pictures(path)
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        """Yield each picture that can be read. Raises ``InputError`` if none can."""
        sequence = 0
        for path in self._paths:
            if self._closed:
                return
            try:
                image = read_image(path)
            except InputError as error:
                if len(self._paths) == 1:
                    raise  # it says more than "none of the 1 pictures"
                self._skip(path, error)
                continue
            label = path.parent.name if path.parent != self._root else None
            yield Frame(image, sequence, time.monotonic_ns(), label, str(path.relative_to(self._root)))
            sequence += 1
        if sequence == 0:
            raise InputError(f"none of the {len(self._paths)} pictures in {self._root} can be read")

    def close(self) -> None:
        """End the iteration before the next picture."""
        self._closed = True

    def _skip(self, path: Path, error: InputError) -> None:
        self.skipped.append(path)
        log.warning("skipped: %s", error)


def _pictures(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]

    def skip_folder(error: OSError) -> None:
        complaint = InputError(f"cannot list {error.filename}: {error.strerror}")
        if Path(error.filename) == path:
            raise complaint from error
        log.warning("skipped: %s", complaint)

    names = (Path(folder, name) for folder, _, files in os.walk(path, onerror=skip_folder) for name in files)
    # Sorted: file systems list a folder each in its own order.
    pictures = sorted(p for p in names if is_image_name(p) and p.is_file())
    if not pictures:
        raise InputError(f"no pictures in {path} (looked for {', '.join(sorted(EXTENSIONS))})")
    return pictures
