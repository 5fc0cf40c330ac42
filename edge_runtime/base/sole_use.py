"""Names that one process of a machine may hold at a time, so that two runs do not speak with one voice."""

import contextlib
import errno
import hashlib
import socket


class SoleUse(contextlib.AbstractContextManager["SoleUse"]):
    """A name held until it is closed, or the process ends, however it ends.

    It is the name of a socket without a place in the file system: nothing is left behind, it is the same for
    all users of the machine, and no folder need be writable.
    """

    def __init__(self, name: str) -> None:
        """Take the name, whatever its length.

        Raises:
            BlockingIOError: Another process has it, or another object of this one.
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        try:
            self._socket.bind(f"\0pi-infer-{digest[:40]}")
        except OSError as error:
            self._socket.close()
            if error.errno == errno.EADDRINUSE:
                raise BlockingIOError(errno.EAGAIN, f"{name} is in use") from error
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the name back; safe to call twice."""
        self._socket.close()
