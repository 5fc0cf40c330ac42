"""Web servers on loopback: one that serves a folder, and one that is a cheap network camera."""

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

PICTURES = 10  # that a network camera sends to each client


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class NetworkCamera(Quiet):
    """Sends JPEG pictures one after another, as cheap network cameras do, and then hangs up."""

    sizes: ClassVar[list[tuple[int, int]]] = [(48, 64)] * PICTURES

    def do_GET(self) -> None:
        self.server.visitors += 1  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        for number, size in enumerate(self.sizes):
            picture = np.full((*size, 3), 10 * number, np.uint8)
            data = cv2.imencode(".jpg", picture)[1].tobytes()
            head = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
            with contextlib.suppress(ConnectionError):
                self.wfile.write(head + data + b"\r\n")


class ChangingCamera(NetworkCamera):
    """Is told meanwhile to send larger pictures, and then ones that stand upright."""

    sizes: ClassVar[list[tuple[int, int]]] = [(48, 64)] * 5 + [(96, 128)] * 5 + [(64, 48)] * 5


@contextmanager
def serving(handler: Any, port: int = 0) -> Iterator[http.server.ThreadingHTTPServer]:
    """A running server; its ``address`` and, for a camera, how many ``visitors`` came."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.visitors = 0  # type: ignore[attr-defined]
        server.address = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server
        finally:
            server.shutdown()


def folder_server(folder: Path) -> Any:
    """The handler that serves the files of a folder."""
    return functools.partial(Quiet, directory=folder)
