"""The live page: pictures (``/stream.mjpg``, ``/frame.jpg``) and figures (``/status.json``, ``/metrics``).

Each picture comes with what was found in it (the header ``X-Result``, JSON), so that a page can show both of
one frame. ``/healthz`` answers 200 while results come and 503 when they do not, and asks for no token.
Nothing here is imported before it is asked for: it takes 7.4 MiB, most of them for Python's own server.
"""

import json
import socket
import threading
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edge_runtime.base.addresses import Address
from edge_runtime.base.errors import InputError
from edge_runtime.outputs.page import COMMON_HEADERS, Page, load_page
from edge_runtime.outputs.prometheus import CONTENT_TYPE as METRICS_TYPE, exposition
from edge_runtime.outputs.stream import Picture, PictureStream
from edge_runtime.outputs.web_access import Access
from edge_runtime.outputs.web_server import BoundedHandler, BoundedServer
from edge_runtime.results.frame_result import FrameResult
from edge_runtime.results.status import StatusSource

MOST_VIEWERS = 12
SHOWN_RESULTS = 5
LONGEST_WORDS = 100  # a letter may become twelve in a header
PICTURE_LIMIT_S = 5.0
HEALTHY_SILENCE_S = 10.0
BOUNDARY = b"--frame\r\n"
TEXT_TYPE = "text/plain; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Site:
    """What the server shows, and to whom.

    Attributes:
        access: Who may see it.
        status: How the run stands.
        baseline: The benchmark's comparison in JSON, or None.
        fps: Pictures a second for one viewer, at most.
        stream: The pictures.
        viewers: Free places at the stream.
    """

    access: Access
    status: StatusSource
    baseline: dict[str, Any] | None
    fps: int
    stream: PictureStream
    viewers: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(MOST_VIEWERS)
    )
    page: Page = field(default_factory=partial(load_page, "page.html"))
    login: Page = field(default_factory=partial(load_page, "login.html"))


class LivePage:
    """The server and its pictures: a frame output, whose figures are asked for by those who look at them."""

    def __init__(
        self, access: Access, status: StatusSource, *, baseline: dict[str, Any] | None = None, fps: int = 15
    ) -> None:
        """Start serving.

        Args:
            access: Where to serve, and who may look.
            status: How the run stands, asked anew for every visitor.
            baseline: A benchmark's comparison in JSON; see ``select.read_baseline``.
            fps: Pictures a second for one viewer, at most.

        Raises:
            InputError: The address cannot be had.
        """
        from edge_runtime.results.picture import to_jpeg  # noqa: PLC0415  OpenCV, if it is not there yet

        self._stream = PictureStream(to_jpeg)
        site = Site(access, status, baseline, fps, self._stream)
        try:
            self._server = BoundedServer(access.address, type("Handler", (_Handler,), {"site": site}))
        except OSError as error:
            self._stream.close()
            raise InputError(
                f"cannot serve the live page on {access.address}: {error.strerror or error}; "
                "choose another with --web ADDRESS:PORT"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="web", daemon=True
        )
        self._thread.start()

    def publish(self, frame_result: FrameResult) -> None:
        """Offer the frame to whoever watches."""
        self._stream.offer(frame_result)

    def close(self) -> None:
        """Stop serving and end all streams."""
        self._server.shutdown()
        self._server.server_close()
        self._stream.close()
        self._thread.join()


def page_url(access: Access, *, with_token: bool) -> str:
    """The live page's address as one types it into a browser; with the token where nobody knows it yet."""
    host = access.address.host
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104  compared, not bound
    token = f"?token={access.token}" if access.token and with_token else ""
    return f"http://{Address(shown, access.address.port)}/{token}"


class _Handler(BoundedHandler):
    """Answers one request to the live page."""

    site: Site

    def do_GET(self) -> None:  # noqa: N802  the base class calls it that
        """Answer a request for a page, a picture or figures."""
        try:
            parts = urlsplit(self.path)
            tokens = parse_qs(parts.query, max_num_fields=8).get("token", [])
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
        else:
            self._answer(parts.path, tokens)

    do_HEAD = do_GET  # noqa: N815

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with one line of text instead of a page that repeats what was asked."""
        del message, explain
        self._send(HTTPStatus(code), f"{HTTPStatus(code).phrase}\n")

    def _answer(self, path: str, tokens: list[str]) -> None:
        routes = {
            "/": self._page,
            "/stream.mjpg": self._stream,
            "/frame.jpg": self._frame,
            "/status.json": self._status,
            "/metrics": self._metrics,
        }
        if self.site.access.embedded(self.headers):
            self._send(HTTPStatus.FORBIDDEN, "not for other sites\n")
        elif not self.site.access.answers_to(self.headers, self.connection.getsockname()[0]):
            self._send(HTTPStatus.FORBIDDEN, "an unknown host name: allow it with --web-hosts NAME\n")
        elif path == "/healthz":
            self._health()
        elif not self.site.access.admits(self.headers, tokens):
            self._refuse(path)
        elif path not in routes:
            self._send(HTTPStatus.NOT_FOUND, "there is no such page\n")
        elif path == "/" and any(map(self.site.access.knows, tokens)):
            self._keep_token()
        else:
            routes[path]()

    def _page(self) -> None:
        self._send_page(HTTPStatus.OK, self.site.page)

    def _refuse(self, path: str) -> None:
        if path == "/":
            self._send_page(HTTPStatus.UNAUTHORIZED, self.site.login)
        else:
            self._send(HTTPStatus.UNAUTHORIZED, "this needs ?token=... or 'Authorization: Bearer ...'\n")

    def _keep_token(self) -> None:
        """Move the token from the address, which gets copied around, into a cookie."""
        access = self.site.access
        # Neither names a path, so that both hold behind a proxy that puts the page below one.
        cookie = f"{access.cookie_name}={access.token}; HttpOnly; SameSite=Lax"
        self._send(HTTPStatus.SEE_OTHER, "", headers={"Location": "./", "Set-Cookie": cookie})

    def _status(self) -> None:
        document = {**self.site.status.now().to_document(), "baseline": self.site.baseline}
        self._send(HTTPStatus.OK, json.dumps(document, allow_nan=False), "application/json")

    def _metrics(self) -> None:
        self._send(HTTPStatus.OK, exposition(self.site.status.now()), METRICS_TYPE)

    def _health(self) -> None:
        silence_s = self.site.status.summary.snapshot().silence_s
        if silence_s < HEALTHY_SILENCE_S:
            self._send(HTTPStatus.OK, "ok\n")
        else:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, f"no result for {silence_s:.0f} s\n")

    def _frame(self) -> None:
        picture = self.site.stream.after(0, PICTURE_LIMIT_S)
        if picture is None:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "no frame yet\n")
        else:
            self._send(HTTPStatus.OK, picture.data, "image/jpeg", {"X-Result": _caption(picture)})

    def _stream(self) -> None:
        if not self.site.viewers.acquire(blocking=False):
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "too many viewers\n")
            return
        try:
            self._head(HTTPStatus.OK, {"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
            if self.command != "HEAD":
                self._send_pictures()
        finally:
            self.site.viewers.release()

    def _send_pictures(self) -> None:
        """Pictures until the viewer goes away; the boundary follows each so that browsers show it at once."""
        self.wfile.write(BOUNDARY)
        number, pause = 0, threading.Event()
        while not self.site.stream.ended:
            picture = self.site.stream.after(number, PICTURE_LIMIT_S)
            if picture is None:
                continue
            number = picture.number
            length, caption = len(picture.data), _caption(picture)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {length}\r\nX-Result: {caption}\r\n\r\n"
            self.wfile.write(head.encode() + picture.data + b"\r\n" + BOUNDARY)
            pause.wait(1 / self.site.fps)

    def _send_page(self, status: HTTPStatus, page: Page) -> None:
        self._send(status, page.body, HTML_TYPE, {"Content-Security-Policy": page.policy})

    def _send(
        self,
        status: HTTPStatus,
        body: str | bytes,
        kind: str = TEXT_TYPE,
        headers: dict[str, str] | None = None,
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self._head(status, {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**COMMON_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def _caption(picture: Picture) -> str:
    """What was found in the frame of a picture, as JSON that fits a header: ASCII, one line, not long."""
    if picture.shown is None:
        return "null"
    result = picture.shown.result
    found = [
        {"label": each.label[:LONGEST_WORDS], "score": round(each.score, 4)}
        for each in result.predictions(SHOWN_RESULTS)
    ]
    words = result.words()[:LONGEST_WORDS]
    return json.dumps({"frame": picture.shown.frame.sequence, "summary": words, "found": found})
