"""Pictures from a folder (or one picture), each exactly once, in the order of their names."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.base.names import readable
from edge_runtime.frames.base import FRAME_LIMIT_S, Frame
from edge_runtime.frames.image_file import read_image
from edge_runtime.frames.picture_files import PictureFiles, find_pictures

log = logging.getLogger(__name__)


class FolderSource:
    """Reads every picture under a folder. Unreadable ones are skipped, named in a warning and counted.

    A picture in a sub-folder has that sub-folder's name as its label.

    Attributes:
        skipped: The pictures that could not be read so far, links to nothing and foreign formats among them.
        hidden: How many pictures were left out because they are hidden, or thumbnails.
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
        found = _pictures(path) if path.is_dir() else PictureFiles((path,), (), 0)
        self.skipped = list(found.skipped)
        self.hidden = found.hidden
        self._root = path if path.is_dir() else path.parent
        self._paths = found.paths
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        """Each picture of the folder that can be read. Raises ``InputError`` if none can."""
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
            label = readable(path.parent.name) if path.parent != self._root else None
            name = readable(path.relative_to(self._root))
            yield Frame(image, sequence, time.monotonic_ns(), label, name)
            sequence += 1
        if sequence == 0:
            raise InputError(f"none of the {len(self._paths)} pictures in {self._root} can be read")

    def close(self) -> None:
        """End the iteration before the next picture."""
        self._closed = True

    def _skip(self, path: Path, error: InputError) -> None:
        self.skipped.append(path)
        log.warning("skipped: %s", error)


def _pictures(folder: Path) -> PictureFiles:
    found = find_pictures(folder, unlisted=lambda complaint: log.warning("skipped: %s", complaint))
    found.require_pictures(f"no pictures in {folder}")
    if found.skipped:
        log.warning("skipped: %s", found.words_on_skipped())
    return found
