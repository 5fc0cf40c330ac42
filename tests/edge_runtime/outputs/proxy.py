"""A reverse proxy on loopback that shows another server below a path of its own, as nginx does."""

import contextlib
import http.client
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Proxy(http.server.BaseHTTPRequestHandler):
    prefix: str
    port: int

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if not self.path.startswith(self.prefix):
            self.send_error(404)
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.suppress(OSError):
            upstream.request("GET", self.path.removeprefix(self.prefix[:-1]), headers=dict(self.headers))
            answer = upstream.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            while data := answer.read1(1 << 16):
                self.wfile.write(data)
        upstream.close()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def proxy_below(prefix: str, port: int) -> Iterator[http.server.ThreadingHTTPServer]:
    """A running proxy; its ``asked`` are the paths that visitors asked for."""
    handler = type("Handler", (_Proxy,), {"prefix": prefix, "port": port})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        server.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server
        finally:
            server.shutdown()
