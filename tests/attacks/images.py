"""Makers of image folders, good and hostile: each says what it attacks and what stops it."""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np


def good_images(folder: Path, count: int = 12, seed: int = 0, side: int = 24) -> None:
    """Different pictures of smooth random colour."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for index in range(count):
        small = random.integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index:03d}.png"), cv2.resize(small, (side, side)))


def labelled_images(folder: Path, classes: int, count: int = 6) -> None:
    """A subfolder of different pictures for each class."""
    for index in range(classes):
        good_images(folder / f"class{index}", count, seed=index)


def images_all_alike(folder: Path, count: int = 12) -> None:
    """No variance at all; stopped by ``calibration_set``."""
    good_images(folder, 1)
    for index in range(1, count):
        (folder / f"{index:03d}.png").write_bytes((folder / "000.png").read_bytes())


def images_of_one_colour(folder: Path, count: int = 12) -> None:
    """Pictures that differ in size only, so that the network sees one; stopped by ``calibration_set``."""
    folder.mkdir(parents=True)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index:03d}.png"), np.full((20 + index, 20, 3), 90, np.uint8))


def bomb(path: Path, side: int = 9_000) -> None:
    """A PNG of 77 KiB that unpacks to 243 megabytes; stopped by OpenCV's limit of pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + side)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks))


def lying_header(path: Path) -> None:
    """A PNG whose header claims 2 billion pixels a side; stopped by OpenCV."""
    header = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IEND", b""))


def cut_short(path: Path) -> None:
    """A JPEG that stops half way, which decoders fill with grey; stopped by ``image_file.read_image``."""
    picture = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8), (200, 200))
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    path.write_bytes(data[: len(data) // 2])


def text(path: Path) -> None:
    """A text under the name of a picture; stopped by OpenCV's decoders."""
    path.write_text("not a picture")


def empty(path: Path) -> None:
    """No bytes at all; stopped by ``image_file.read_image``."""
    path.write_bytes(b"")


def named_pipe(path: Path) -> None:
    """Would hang whoever opens it; stopped by ``image_file.read_image``."""
    os.mkfifo(path)


def endless_device(path: Path) -> None:
    """Never ends when read; stopped by ``image_file.read_image``."""
    path.symlink_to("/dev/zero")


def dangling_link(path: Path) -> None:
    """A link to nothing; stopped by ``image_file.read_image``."""
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    """A link in a circle; stopped by ``image_file.read_image``."""
    path.symlink_to(path.name)


UNREADABLE = (
    bomb,
    lying_header,
    cut_short,
    text,
    empty,
    named_pipe,
    endless_device,
    dangling_link,
    link_to_itself,
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
