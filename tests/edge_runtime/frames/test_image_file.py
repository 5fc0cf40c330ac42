import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.frames.image_file import cannot_be_decoded, has_picture, is_animation, read_image
from tests.attacks.images import UNREADABLE

# An APP1 segment that says "rotated by 90 degrees": TIFF header, one entry, orientation 6.
EXIF_ROTATED = (
    b"\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    b"\x00\x00\x00\x00"
)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    return np.asarray(cv2.resize(small, (width, height)), np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".tif", ".PNG"])
def test_lossless_pictures_come_back_as_they_were(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), picture())
    np.testing.assert_array_equal(read_image(path), picture())


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.full((4, 5), 40_000, np.uint16), 156),
        (np.full((4, 5), 77, np.uint8), 77),
        (np.full((4, 5, 4), 99, np.uint8), 99),
        (np.full((4, 5, 3), 25_700, np.uint16), 100),
    ],
    ids=["grey 16 bit", "grey", "transparent", "colour 16 bit"],
)
def test_every_kind_becomes_8_bit_colour(stored: np.ndarray, expected: int, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    image = read_image(tmp_path / "a.png")
    assert (image.shape, image.dtype) == ((4, 5, 3), np.uint8)
    assert set(image.ravel()) == {expected}


def test_exif_orientation_is_respected(tmp_path: Path) -> None:
    data = cv2.imencode(".jpg", picture(40, 60))[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(data[:2] + EXIF_ROTATED + data[2:])
    upright = np.rot90(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), -1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), upright)


def test_bytes_after_the_end_of_a_jpeg_do_not_matter(tmp_path: Path) -> None:
    data = cv2.imencode(".jpg", picture())[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(data + b"\xff\xda a film that a telephone appended")
    assert read_image(tmp_path / "a.jpg").shape == (40, 60, 3)


@pytest.mark.parametrize(
    ("kept", "words"), [(3, "cannot be decoded"), (20, "cut short"), (300, "cut short"), (-1, "cut short")]
)
def test_a_jpeg_cut_anywhere_is_refused(kept: int, words: str, tmp_path: Path) -> None:
    data = cv2.imencode(".jpg", picture())[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(data[:kept])
    with pytest.raises(InputError, match=words):
        read_image(tmp_path / "a.jpg")


def test_the_end_of_a_preview_in_the_header_is_not_the_pictures(tmp_path: Path) -> None:
    preview, data = (cv2.imencode(".jpg", picture(*size))[1].tobytes() for size in ((8, 12), (40, 60)))
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    (tmp_path / "whole.jpg").write_bytes(data[:2] + segment + data[2:])
    (tmp_path / "cut.jpg").write_bytes(data[:2] + segment + data[2:-2])
    assert read_image(tmp_path / "whole.jpg").shape == (40, 60, 3)
    with pytest.raises(InputError, match="cut short"):
        read_image(tmp_path / "cut.jpg")


def test_no_more_is_read_than_a_picture_can_have(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    os.truncate(tmp_path / "a.png", (1 << 28) + 1)  # a hole, which takes no room on the disk
    with pytest.raises(InputError, match="is absurdly large for a picture"):
        read_image(tmp_path / "a.png")


def test_progressive_jpeg(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), picture(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert read_image(tmp_path / "a.jpg").shape == (40, 60, 3)


@pytest.mark.parametrize("attack", UNREADABLE[1:], ids=lambda attack: attack.__name__)
def test_what_cannot_be_read_is_refused_by_name(attack, tmp_path: Path) -> None:  # noqa: ANN001
    attack(tmp_path / "bad.jpg")
    with pytest.raises(InputError, match=r"bad\.jpg"):
        read_image(tmp_path / "bad.jpg")


@pytest.mark.parametrize("suffix", sorted({".jpg", ".png", ".bmp", ".tif", ".webp", ".gif", ".jp2", ".avif"}))
@pytest.mark.parametrize("name", ["a", "a.txt", "\udcff\udcfe.dat"], ids=["bare", "text", "not UTF-8"])
def test_a_picture_is_told_by_its_content(suffix: str, name: str, tmp_path: Path) -> None:
    if not cv2.haveImageWriter(suffix):
        pytest.skip(f"this OpenCV writes no {suffix}")
    (tmp_path / name).write_bytes(cv2.imencode(suffix, picture())[1].tobytes())
    assert has_picture(tmp_path / name)
    assert read_image(tmp_path / name).shape == (40, 60, 3)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff", b"ftypmp42" * 9])
def test_what_is_no_picture_has_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert not has_picture(tmp_path / "a.png")
    assert not has_picture(tmp_path)
    assert not has_picture(tmp_path / "missing")


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert not has_picture(tmp_path / "a.png")


def test_foreign_formats_are_told_by_name_unless_the_content_says_otherwise(tmp_path: Path) -> None:
    contents = {"a.heic": HEIC, "raw.NEF": picture_as(".tif"), "b.HEIC": picture_as(".jpg")}
    for name, content in {**contents, "c.tif": contents["raw.NEF"]}.items():
        (tmp_path / name).write_bytes(content)
    assert {name for name in contents if cannot_be_decoded(tmp_path / name)} == {"a.heic", "raw.NEF"}
    assert not cannot_be_decoded(tmp_path / "c.tif")


def test_numbers_of_any_range_are_no_picture(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.pfm"), np.ones((4, 5, 3), np.float32))
    with pytest.raises(InputError, match="floating-point numbers"):
        read_image(tmp_path / "a.pfm")


def test_only_mjpeg_and_a_gif_of_several_pictures_move(tmp_path: Path) -> None:
    if not cv2.haveImageWriter(".gif"):
        pytest.skip("this OpenCV writes no GIF")
    moving = cv2.Animation()
    moving.frames, moving.durations = [picture(), picture() // 2], np.array([100, 100])
    cv2.imwriteanimation(str(tmp_path / "moving.gif"), moving)
    cv2.imwrite(str(tmp_path / "still.gif"), picture())
    cv2.imwrite(str(tmp_path / "still.png"), picture())
    (tmp_path / "film.MJPEG").write_bytes(picture_as(".jpg") * 3)
    assert is_animation(tmp_path / "moving.gif")
    assert is_animation(tmp_path / "film.MJPEG")
    assert not is_animation(tmp_path / "still.gif")
    assert not is_animation(tmp_path / "still.png")


def picture_as(suffix: str) -> bytes:
    return cv2.imencode(suffix, picture())[1].tobytes()
