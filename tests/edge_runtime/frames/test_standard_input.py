"""Standard input as a source: a picture, or a stream of JPEGs through a pipe."""

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.frames.newest import Newest
from edge_runtime.frames.standard_input import SHORT_BYTES, StandardInput, open_standard_input

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakeNetwork = Callable[..., Path]
PROJECT = str(Path(__file__).resolve().parents[3])


def picture(grey: int, suffix: str = ".jpg") -> bytes:
    return cv2.imencode(suffix, np.full((24, 32, 3), grey, np.uint8))[1].tobytes()


@contextmanager
def piped(data: bytes, *, then: threading.Event | None = None) -> Iterator[int]:
    """The reading end of a pipe into which data is written, and which is closed after an event."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(data)
            pipe.flush()
            if then is not None:
                then.wait(60)

    writer = threading.Thread(target=write)
    writer.start()
    yield reading
    if then is not None:
        then.set()
    while os.read(reading, 1 << 20):
        pass
    writer.join()
    os.close(reading)


def greys(source: StandardInput) -> list[int]:
    return [round(frame.image.mean() / 20) * 20 for frame in source]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_one_picture_in_any_format(suffix: str) -> None:
    with piped(picture(100, suffix)) as handle:
        source = open_standard_input(handle=handle)
        assert not source.live
        assert greys(source) == [100]


@pytest.mark.parametrize(
    "between",
    [b"", b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n--frame\r\n\r\n"],
)
def test_of_a_few_pictures_each_counts(between: bytes) -> None:
    with piped(b"".join(between + picture(20 * number) for number in range(9))) as handle:
        source = open_standard_input(handle=handle)
        assert not source.live
        frames = list(source)
    assert [frame.sequence for frame in frames] == list(range(9))
    assert [round(frame.image.mean() / 20) for frame in frames] == list(range(9))


def long_stream() -> tuple[bytes, int]:
    one = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8))[
        1
    ].tobytes()
    count = 2 * SHORT_BYTES // len(one)
    return one * count, count


def test_a_long_stream_is_live_unless_every_frame_is_asked_for() -> None:
    data, count = long_stream()
    for every_frame in (False, True):
        with piped(data) as handle:
            source = open_standard_input(every_frame=every_frame, handle=handle)
            assert source.live is not every_frame
            assert [frame.sequence for frame in source] == list(range(count))


def test_a_stream_that_pauses_is_live() -> None:
    done = threading.Event()
    with piped(picture(40) * 2, then=done) as handle:
        source = open_standard_input(handle=handle)
        assert source.live
        frames = iter(source)
        assert [next(frames).sequence, next(frames).sequence] == [0, 1]
        done.set()
        assert list(frames) == []


def test_a_file_is_not_held_up_by_anybody_and_each_picture_counts(tmp_path: Path) -> None:
    data, count = long_stream()
    (tmp_path / "film.mjpeg").write_bytes(data)
    with (tmp_path / "film.mjpeg").open("rb") as file:
        source = open_standard_input(handle=file.fileno())
        assert not source.live
        assert len(list(source)) == count


def test_pictures_that_nobody_wants_are_numbered_and_not_decoded() -> None:
    with piped(picture(20) * 9) as handle:
        source = open_standard_input(handle=handle)
        answers = iter([True, False, False] * 3)
        source.wanted = lambda: next(answers)
        assert [frame.sequence for frame in source] == [0, 3, 6]


def test_damaged_pictures_in_a_stream_are_passed_over() -> None:
    damaged = bytearray(picture(20))
    damaged[100:400] = bytes(len(damaged[100:400]))
    with piped(picture(40) + bytes(damaged[:-2]) + picture(60) + picture(80)[:90]) as handle:
        assert greys(open_standard_input(handle=handle)) == [40, 60]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "standard input is empty"),
        (b"text " * 100, "holds neither a picture nor MJPEG"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100), "holds neither a picture nor MJPEG"),
        (b"x", "holds neither a picture nor MJPEG"),
        (picture(40)[:300], "standard input is a picture cut short"),
        (picture(40, ".png")[:60], "cannot be decoded"),
        (b"--frame\r\nContent-Type: text/plain\r\n\r\n", "holds no picture that can be read"),
    ],
)
def test_what_is_no_picture_is_one_line(data: bytes, message: str) -> None:
    with piped(data) as handle, pytest.raises(InputError, match=message):
        list(open_standard_input(handle=handle))


def test_a_terminal_is_refused_before_anybody_waits_for_it() -> None:
    ours, theirs = pty.openpty()
    with pytest.raises(InputError, match="standard input is a terminal"):
        open_standard_input(handle=theirs)
    os.close(ours)
    os.close(theirs)


def test_a_folder_is_one_line(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(InputError, match="cannot read standard input: Is a directory"):
        open_standard_input(handle=handle)
    os.close(handle)


def test_close_ends_a_wait_for_a_writer_that_is_silent() -> None:
    done = threading.Event()
    with piped(picture(40), then=done) as handle:
        newest = Newest(open_standard_input(handle=handle))
        frames = iter(newest)
        next(frames)
        closer = threading.Timer(0.1, newest.close)
        closer.start()
        assert list(frames) == []
        closer.join()


def test_an_endless_stream_takes_bounded_memory(make_network: MakeNetwork, tmp_path: Path) -> None:
    one = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8))[1]
    (tmp_path / "one.jpg").write_bytes(one.tobytes())
    command = f"{sys.executable} -m edge_runtime.cli --source - --model {make_network()} --frames"
    peaks_mib = []
    for frames in (20, 400):
        done = subprocess.run(
            ["sh", "-c", f"while cat one.jpg; do :; done 2>&- | {command} {frames}"],
            capture_output=True, text=True, check=True,
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": PROJECT},
        )  # fmt: skip
        peaks_mib.append(int(done.stdout.rsplit("(peak ", 1)[1].split(")")[0]))
    assert peaks_mib[1] - peaks_mib[0] <= 8


def test_the_command_reads_each_of_a_few_pictures_and_ends_with_the_input(
    pi_infer: Run, make_network: MakeNetwork
) -> None:
    done = pi_infer(
        "--source", "-", "--model", make_network(), "--jsonl", "-", input=picture(40) * 5, text=False
    )
    assert done.returncode == 0
    assert [line.split(b",")[0] for line in done.stdout.splitlines()] == [
        b'{"frame":%d' % n for n in range(5)
    ]


def test_the_benchmark_refuses_it(pi_infer: Run, make_network: MakeNetwork) -> None:
    done = pi_infer("bench", make_network(), "--source", "-", input="")
    assert done.returncode == 2
    assert done.stderr.startswith("pi-infer: error: bench cannot read standard input")
