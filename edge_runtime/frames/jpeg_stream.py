"""Cutting a stream into its JPEG pictures: MJPEG, or with a web camera's headers between the pictures."""

import re

from edge_runtime.base.errors import InputError

BEGINNING = b"\xff\xd8\xff"
#: The longest picture taken: a JPEG of 67 million pixels, the most that are decoded, is hardly longer.
MOST_BYTES = 32 << 20
# Within a scan FF00 stands for a byte of data, and after FFD0 to FFD7 it goes on.
MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
START_OF_PICTURE, END_OF_PICTURE, WITHOUT_LENGTH = 0xD8, 0xD9, 0x01


class JpegCutter:
    """Takes bytes as they come and gives the pictures that are whole; holds one unfinished at most."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._position: int | None = None  # where to look on within the picture that has begun

    @property
    def unfinished(self) -> bool:
        """Whether a picture has begun that has not ended."""
        return self._position is not None

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream.

        Returns:
            The pictures that ended within them; what is between pictures is passed over.

        Raises:
            InputError: A picture is absurdly long.
        """
        self._data += data
        pictures = []
        while self._begin() and (end := self._find_end()) is not None:
            pictures.append(bytes(self._data[:end]))
            del self._data[:end]
            self._position = None
        if len(self._data) > MOST_BYTES:
            raise InputError(f"the stream is damaged: a JPEG does not end within {MOST_BYTES >> 20} MiB")
        return pictures

    def _begin(self) -> bool:
        """Go to the beginning of the next picture; whether there is one."""
        if self._position is not None:
            return True
        start = self._data.find(BEGINNING)
        if start < 0:
            del self._data[: -len(BEGINNING) + 1]  # what follows may be the rest of a beginning
            return False
        self._begin_at(start)
        return True

    def _begin_at(self, start: int) -> None:
        del self._data[:start]
        self._position = 2

    def _find_end(self) -> int | None:
        """Where the picture ends; None where more bytes are needed to tell.

        It goes over segments by their lengths, for a thumbnail in one of them has an end of its own.
        """
        while self._position is not None and (found := MARKER.search(self._data, self._position)):
            marker, after = found[1][0], found.end()
            if marker == END_OF_PICTURE:
                return after
            if marker == START_OF_PICTURE:  # the picture before it was cut short
                self._begin_at(found.start())
            elif marker == WITHOUT_LENGTH:
                self._position = after
            else:
                end = after + max(2, int.from_bytes(self._data[after : after + 2], "big"))
                if end > len(self._data):
                    self._position = found.start()
                    return None
                self._position = end
        self._position = max(2, len(self._data) - 1)  # its last byte may begin a marker
        return None
