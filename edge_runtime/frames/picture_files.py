"""Which files of a folder are pictures: one rule for the live command, the benchmark, reduce and evaluate.

Pictures are told by a name that pictures usually have or, under any other name, by what is in the file. Left
out are hidden files and folders, what other programs keep beside pictures (thumbnails, bins), links to
nothing, and formats that OpenCV has no decoder for; all of them are counted.
"""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.base.names import readable
from edge_runtime.frames.image_file import FOREIGN_NAMES, PICTURE_NAMES, cannot_be_decoded, has_picture

#: What network drives, cameras and archivers put beside pictures; lower case.
KEPT_BY_PROGRAMS = frozenset({"@eadir", "@recycle", "#recycle", "$recycle.bin", "__macosx"})
NAMED = 5
ALL_NAMES = PICTURE_NAMES | FOREIGN_NAMES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureFiles:
    """The pictures under a folder, and what was passed over.

    Attributes:
        paths: The pictures, sorted by their paths, whatever order the file system has.
        skipped: Links to nothing, and pictures in formats that cannot be decoded, sorted.
        hidden: How many names of pictures are hidden or lie in a hidden folder, thumbnails among them.
    """

    paths: tuple[Path, ...]
    skipped: tuple[Path, ...]
    hidden: int

    def require_pictures(self, complaint: str) -> None:
        """Raise ``InputError`` with a complaint, and what was skipped, where there is no picture."""
        if not self.paths:
            but = f"; skipped: {self.words_on_skipped()}" if self.skipped else ""
            raise InputError(f"{complaint}{but}")

    def words_on_skipped(self) -> str:
        """How many files were skipped, and the first of them by name."""
        named = ", ".join(map(readable, self.skipped[:NAMED]))
        more = ", ..." if len(self.skipped) > NAMED else ""
        count = len(self.skipped)
        return f"{count} links to nothing or pictures in formats that OpenCV cannot decode: {named}{more}"


def find_pictures(folder: Path, unlisted: Callable[[InputError], None]) -> PictureFiles:
    """Find the pictures under a folder, at any depth, links followed and each folder visited once.

    Warns of what is hidden, in one line.

    Args:
        folder: Where to look; it may itself be hidden.
        unlisted: Told of a folder below it that cannot be listed; what it raises ends the search.

    Raises:
        InputError: The folder itself cannot be listed.
    """

    def refuse(error: OSError) -> None:
        complaint = InputError(f"cannot list {error.filename}: {error.strerror}")
        if Path(error.filename) == folder:
            raise complaint from error
        unlisted(complaint)

    paths: list[Path] = []
    skipped: list[Path] = []
    hidden = 0
    for place, subfolders, names in _each_folder_once(folder, refuse):
        for name in [name for name in subfolders if is_passed_over(name)]:
            subfolders.remove(name)
            hidden += _names_of_pictures(place / name)
        for name in names:
            path = place / name
            if is_passed_over(name):
                hidden += _looks_like_a_picture(name)
            elif path.is_symlink() and not path.exists():
                skipped.append(path)
            elif _looks_like_a_picture(name) or has_picture(path):
                (skipped if cannot_be_decoded(path) else paths).append(path)
    if hidden:
        log.warning("left out %d hidden pictures and thumbnails in %s", hidden, folder)
    return PictureFiles(tuple(sorted(paths)), tuple(sorted(skipped)), hidden)


def is_passed_over(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or kept by another program beside pictures."""
    return name.startswith(".") or name.lower() in KEPT_BY_PROGRAMS


def _each_folder_once(
    folder: Path, refuse: Callable[[OSError], None]
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As ``os.walk``; links in a circle end, and of two ways to a folder the same one is gone every time."""
    visited: set[tuple[int, int]] = set()
    for place, subfolders, names in os.walk(folder, followlinks=True, onerror=refuse):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in visited:
            subfolders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        subfolders.sort()
        yield Path(place), subfolders, names


def _names_of_pictures(folder: Path) -> int:
    """How many files under a folder have a picture's name: nothing in there is opened or followed."""
    return sum(_looks_like_a_picture(name) for _, _, names in os.walk(folder) for name in names)


def _looks_like_a_picture(name: str) -> bool:
    return Path(name).suffix.lower() in ALL_NAMES
