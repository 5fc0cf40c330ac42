"""Pictures from standard input: one in any format, or a stream of JPEGs that ends when its writer does."""

import os
import select
import stat
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from edge_runtime.base.errors import InputError
from edge_runtime.frames.base import Frame
from edge_runtime.frames.image_file import MAX_FILE_BYTES, decode, has_decoder
from edge_runtime.frames.jpeg_stream import BEGINNING, JpegCutter
from edge_runtime.model.image import Image

NAME = "standard input"
CHUNK_BYTES = 64 << 10  # as much as a pipe holds
FEWEST_BYTES = 64  # tell every format
SHORT_BYTES = 1 << 20
PAUSE_S = 0.1
HEED_S = 0.2  # how soon a pause is left when the source is closed
#: How a stream of JPEGs begins: with the first, or as a web camera answers, with or without its head.
STREAM_BEGINNINGS = (BEGINNING, b"--", b"\r\n--", b"HTTP/")


def open_standard_input(*, every_frame: bool = False, handle: int = 0) -> "StandardInput":
    """Take standard input as a source; waits until it begins.

    Args:
        every_frame: Hand out each picture, also those of a long stream.
        handle: The descriptor to read from.

    Raises:
        InputError: It is a terminal, or cannot be read.
    """
    try:
        if os.isatty(handle):
            raise InputError(f"{NAME} is a terminal: send pictures to it, as in 'pi-infer --source - < FILE'")
        regular = stat.S_ISREG(os.fstat(handle).st_mode)
        return StandardInput(handle, waits=every_frame or regular)
    except OSError as error:
        raise InputError(f"cannot read {NAME}: {error.strerror}") from error


class StandardInput:
    """The pictures that come through a descriptor, which stays open: it is not ours.

    A long stream is live, for whoever writes it must not be held up: a camera would lag behind. What ends
    within a MiB is a handful of pictures, of which each counts as in a folder.

    Attributes:
        live: Whether pictures come by themselves, so that a slow network misses some.
        limit_s: None to speak of: a writer may pause for as long as it likes.
        wanted: Asked once for each picture of a stream; where it says no, the picture is numbered and not
            decoded.
    """

    limit_s = threading.TIMEOUT_MAX

    def __init__(self, handle: int, *, waits: bool) -> None:
        """Read how it begins.

        Args:
            handle: The descriptor.
            waits: Whether the writer may be held up, and each picture counts.

        Raises:
            OSError: It cannot be read.
        """
        self.wanted: Callable[[], bool] = lambda: True
        self._handle = handle
        self._closed = threading.Event()
        self._ended = False
        self._beginning = self._read_beginning(FEWEST_BYTES if waits else SHORT_BYTES)
        self.live = not (waits or self._ended)

    def __iter__(self) -> Iterator[Frame]:
        """Pictures until the input ends or the source is closed.

        Raises:
            InputError: It is empty, holds neither a picture nor a stream of them, or none can be read.
        """
        if self._beginning.startswith(STREAM_BEGINNINGS):
            yield from self._stream()
        elif not self._closed.is_set():
            yield Frame(self._single(), 0, time.monotonic_ns())

    def close(self) -> None:
        """End the iteration, also while it waits; safe to call twice and from another thread."""
        self._closed.set()

    def _stream(self) -> Iterator[Frame]:
        cutter, sequence, readable = JpegCutter(), 0, 0
        complaint = f"{NAME} holds no picture that can be read"
        data: bytes | None = self._beginning
        while data:
            for jpeg in cutter.feed(data):
                if self._closed.is_set():
                    return
                if self.wanted():
                    taken_ns = time.monotonic_ns()
                    try:
                        image = decode(np.frombuffer(jpeg, np.uint8), NAME)
                    except InputError as error:
                        complaint = str(error)
                    else:
                        readable += 1
                        yield Frame(image, sequence, taken_ns)
                sequence += 1
            data = self._read(None)
        if not readable and not self._closed.is_set():
            raise InputError(f"{NAME} is a picture cut short" if cutter.unfinished else complaint)

    def _single(self) -> Image:
        """A picture in another format, which ends where the input does."""
        if self._beginning and not has_decoder(self._beginning):
            raise InputError(f"{NAME} holds neither a picture nor MJPEG (JPEGs one after another)")
        parts, size = [self._beginning], len(self._beginning)
        while data := self._read(None):
            parts.append(data)
            size += len(data)
            if size > MAX_FILE_BYTES:
                raise InputError(f"{NAME} is absurdly large for a picture")
        return decode(np.frombuffer(b"".join(parts), np.uint8), NAME)

    def _read_beginning(self, most_bytes: int) -> bytes:
        """As much as comes without a pause; notes whether the input ended with it."""
        beginning = b""
        while len(beginning) < most_bytes:
            data = self._read(None if len(beginning) < FEWEST_BYTES else PAUSE_S)
            if not data:
                self._ended = data is not None
                break
            beginning += data
        return beginning

    def _read(self, limit_s: float | None) -> bytes | None:
        """The next bytes; none at the end and once the source is closed; None when none came in time."""
        waiting = select.poll()
        waiting.register(self._handle, select.POLLIN)
        deadline_s = None if limit_s is None else time.monotonic() + limit_s
        while not self._closed.is_set():
            if waiting.poll(1000 * (HEED_S if limit_s is None else limit_s)):
                return os.read(self._handle, CHUNK_BYTES)
            if deadline_s is not None and time.monotonic() >= deadline_s:
                return None
        return b""
