"""Python's own HTTP server with limits: on visitors, and on the size and the time of requests."""

import io
import logging
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from edge_runtime.base.addresses import Address

MOST_CONNECTIONS = 32
REQUEST_LIMIT_S = 5.0
REQUEST_LIMIT_BYTES = 16 << 10
SEND_LIMIT_S = 10.0
SEND_BUFFER_BYTES = 128 << 10  # what a slow viewer may lag behind
BUSY = b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\ntoo many visitors\n"

log = logging.getLogger(__name__)


class BoundedServer(ThreadingHTTPServer):
    """An HTTP server with a thread for each connection, and no more than 32 of them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64  # a browser opens several connections at once

    def __init__(self, address: Address, handler: type[BaseHTTPRequestHandler]) -> None:
        """Bind and listen.

        Args:
            address: Where to.
            handler: Answers each request.

        Raises:
            OSError: The address cannot be had.
        """
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._slots = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__((address.host, address.port), handler)

    def server_bind(self) -> None:
        """Bind as the base class does, but without asking a name server who we are."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread, or turn the visitor away."""
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        request.settimeout(0)
        try:
            request.send(BUSY)
        except OSError as error:
            log.debug("web: %s", error)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Report a request that failed, unless its visitor just went away."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.warning("web: a request failed: %s: %s", type(error).__name__, error)


class BoundedHandler(BaseHTTPRequestHandler):
    """Answers one request for each connection, which must be complete within five seconds and 16 KiB."""

    server_version = "pi-infer"
    sys_version = ""
    timeout = SEND_LIMIT_S

    def setup(self) -> None:
        """Put the limits in front of what is read."""
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.rfile = io.BufferedReader(_LimitedReader(self.connection))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class calls it that
        """Keep visits out of the log."""


class _LimitedReader(io.RawIOBase):
    """A socket that ends after so many bytes and fails after so much time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deadline_s = time.monotonic() + REQUEST_LIMIT_S
        self._left = REQUEST_LIMIT_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(max(0.001, self._deadline_s - time.monotonic()))
        try:
            count = self._connection.recv_into(memoryview(buffer)[: self._left])
        finally:
            self._connection.settimeout(SEND_LIMIT_S)
        self._left -= count
        return count
