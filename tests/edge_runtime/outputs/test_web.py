"""The live page's server over loopback, with raw sockets where a well-behaved client would not do."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.base.addresses import Address
from edge_runtime.base.errors import InputError
from edge_runtime.outputs import web, web_server
from edge_runtime.outputs.web import LivePage, page_url
from edge_runtime.outputs.web_access import Access, access_for
from tests.edge_runtime.finished_frames import classified, finished, free_port, status_source

TOKEN = "s3cret-token-of-the-test"  # noqa: S105
LIMIT_S = 20.0


class Site:
    """A served page and what its visitors say to it."""

    def __init__(self, token: str | None = None, hosts: frozenset[str] = frozenset()) -> None:
        self.port = free_port()
        self.status = status_source(finished(7))
        self.access = Access(Address("127.0.0.1", self.port), token, hosts)
        self.page = LivePage(self.access, self.status, baseline={"sentence": "twice as fast"}, fps=60)

    def get(self, path: str, *, method: str = "GET", **headers: str) -> tuple[int, bytes, Message]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        try:
            connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def raw(self, data: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), LIMIT_S)
        connection.sendall(data)
        return connection

    def watch(self) -> socket.socket:
        return self.raw(b"GET /stream.mjpg HTTP/1.0\r\nHost: localhost\r\n\r\n")


@pytest.fixture
def open_site() -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(token: str | None = None, **settings: Any) -> Site:
        made.append(Site(token, **settings))
        return made[-1]

    yield make
    for site in made:
        site.page.close()


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    return open_site()


def picture(data: bytes) -> np.ndarray:  # type: ignore[type-arg]
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded


def hung_up(connection: socket.socket) -> bool:
    """Send one more line of a request that never ends."""
    try:
        connection.sendall(b"X-More: 1\r\n")
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def read_until(connection: socket.socket, enough: Callable[[bytes], bool]) -> bytes:
    data = b""
    while not enough(data):
        chunk = connection.recv(1 << 16)
        assert chunk, f"the server hung up after {data[-200:]!r}"
        data += chunk
    return data


def test_the_page_confines_what_the_browser_does(site: Site) -> None:
    status, body, headers = site.get("/")
    assert status == 200
    assert body.startswith(b"<!DOCTYPE html>")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert b"http://" not in body
    assert b"https://" not in body


@pytest.mark.parametrize("path", ["/", "/status.json", "/frame.jpg", "/metrics", "/healthz", "/nothing"])
def test_every_answer_has_the_security_headers(site: Site, path: str) -> None:
    site.page.publish(finished())
    _, body, headers = site.get(path)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert int(headers["Content-Length"]) == len(body)


def test_the_figures(site: Site) -> None:
    status, body, _ = site.get("/status.json")
    document = json.loads(body)
    assert status == 200
    assert (document["model"], document["frames"], document["latency_ms"]["p50"]) == ("tiny.onnx", 1, 12.5)
    assert (document["temperature_c"], document["throttled_now"]) == (71.5, True)
    assert document["fps"] is None  # one frame has no rate
    assert document["throttled"] == ["under-voltage", "under-voltage since boot", "throttled since boot"]
    assert document["summary"] == "circle 90.0 %"
    assert document["baseline"] == {"sentence": "twice as fast"}


def test_metrics_are_served_for_prometheus(site: Site) -> None:
    status, body, headers = site.get("/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"\npi_infer_frames_total 1.0\n" in body


def test_health_follows_the_results(site: Site) -> None:
    assert site.get("/healthz")[:2] == (200, b"ok\n")
    old = finished()
    object.__setattr__(old, "finished_ns", old.finished_ns - 60 * 10**9)
    site.status.summary.add(old)
    assert site.get("/healthz")[0] == 503


def test_the_newest_frame_as_a_picture(site: Site) -> None:
    for grey in (10, 200):
        site.page.publish(finished(grey=grey))
    _, body, headers = site.get("/frame.jpg")
    assert headers["Content-Type"] == "image/jpeg"
    assert picture(body)[-5, -5] == pytest.approx(200, abs=3)


def test_a_head_request_has_no_body(site: Site) -> None:
    for path in ("/", "/stream.mjpg"):
        status, body, _ = site.get(path, method="HEAD")
        assert (status, body) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT"])
def test_other_methods_are_refused(site: Site, method: str) -> None:
    assert site.get("/", method=method)[0] == 501


def test_the_stream_shows_each_picture_at_once(site: Site) -> None:
    with site.watch() as viewer:
        head = read_until(viewer, lambda data: b"--frame\r\n" in data)
        assert b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n" in head
        for grey in (40, 90):
            site.page.publish(finished(grey=grey))
            part = read_until(viewer, lambda data: data.endswith(b"\r\n--frame\r\n"))
            assert picture(part.partition(b"\r\n\r\n")[2])[-5, -5] == pytest.approx(grey, abs=3)


def test_viewers_that_do_not_read_hold_up_nobody(site: Site) -> None:
    """Ten viewers never read a byte; the pipeline and an eleventh viewer do not notice."""
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    asleep = [site.watch() for _ in range(10)]
    done = threading.Event()

    def publish() -> None:
        number = 0
        while not done.wait(0.005):
            site.page.publish(finished(number := number + 1, image=noise))

    publisher = threading.Thread(target=publish)
    publisher.start()
    with site.watch() as awake:
        read_until(awake, lambda data: data.count(b"--frame\r\n") >= 20)
    done.set()
    publisher.join()
    for viewer in asleep:
        viewer.close()


def test_more_viewers_than_places_are_turned_away(site: Site) -> None:
    viewers = [site.watch() for _ in range(web.MOST_VIEWERS)]
    for viewer in viewers:
        read_until(viewer, lambda data: b"--frame\r\n" in data)
    assert site.get("/stream.mjpg")[:2] == (503, b"too many viewers\n")
    assert site.get("/status.json")[0] == 200
    for viewer in viewers:
        viewer.close()
    deadline = time.monotonic() + LIMIT_S
    while site.get("/stream.mjpg", method="HEAD")[0] != 200:
        site.page.publish(finished())
        assert time.monotonic() < deadline


def test_more_connections_than_places_are_turned_away_and_places_come_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "REQUEST_LIMIT_S", 1.0)
    lazy = [site.raw(b"GET / HT") for _ in range(web_server.MOST_CONNECTIONS)]
    with site.raw(b"") as late:
        assert b"503" in read_until(late, lambda data: data.endswith(b"visitors\n"))
    for connection in lazy:
        assert connection.recv(100) == b""  # hung up when their second was over
        connection.close()
    assert site.get("/healthz")[0] == 200


def test_a_request_that_trickles_in_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "REQUEST_LIMIT_S", 0.5)
    started = time.monotonic()
    with site.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n") as slow:
        slow.settimeout(0.1)
        while not hung_up(slow):
            assert time.monotonic() < started + LIMIT_S


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"\x00\xff\x16\x03\x01\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1 more\r\n\r\n",
        b"GET " + b"/" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 30000 + b"\r\n\r\n",
        b"GET /?" + b"&".join([b"token=x"] * 500) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /?token=%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: \x01=;;;=\xff\r\n\r\n",
    ],
)
@pytest.mark.parametrize("token", [None, TOKEN])
def test_broken_requests_are_refused_quietly(
    open_site: Callable[..., Site],
    data: bytes,
    token: str | None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    site = open_site(token)
    with site.raw(data) as connection:
        answer = b""
        with contextlib.suppress(OSError):  # it may have hung up in the middle of our request
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(1 << 16):
                answer += chunk
    assert b"root:" not in answer
    assert b"Traceback" not in answer
    assert site.get("/healthz")[0] == 200
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("localhost:9000", 200), ("127.0.0.1:8080", 200), ("[::1]:8080", 200),
        ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil.example:8080", 403),
        ("", 403), ("localhost@evil.example", 403), ("192.168.1.7", 403),
    ],
)  # fmt: skip
def test_on_loopback_a_rebound_name_is_refused(site: Site, host: str, status: int) -> None:
    for path in ("/", "/status.json", "/healthz"):
        assert site.get(path, Host=host)[0] == status


OWN = (
    "localhost:80", "127.0.0.1", "192.168.1.7", "192.168.1.7:8080", "pi-cellar", "PI-CELLAR.local.",
    "cam.example.org", "[fd00::7]:8080",
)  # fmt: skip
FOREIGN = (
    "", "192.168.1.8", "fd00::7", "evil.example", "cam.example.org.evil.example", "pi-cellar.evil.example",
)  # fmt: skip


@pytest.mark.parametrize("host", [*OWN, *FOREIGN])
@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.168.1.7"])  # noqa: S104
def test_beyond_loopback_it_answers_to_its_own_names_and_to_those_it_was_given(
    bound: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "pi-cellar")
    access = access_for(Address(bound, 8080), None, hosts="Cam.Example.org, [fd00::7]")
    headers = Message()
    headers["Host"] = host
    assert access.answers_to(headers, "::ffff:192.168.1.7" if bound == "::" else "192.168.1.7") is (
        host in OWN
    )


def test_a_further_name_opens_a_page_on_loopback_too(open_site: Callable[..., Site]) -> None:
    site = open_site(hosts=frozenset({"cam.example.org"}))
    assert site.get("/status.json", Host="cam.example.org")[0] == 200
    status, body, _ = site.get("/status.json", Host="evil.example")
    assert (status, body) == (403, b"an unknown host name: allow it with --web-hosts NAME\n")


@pytest.mark.parametrize("path", ["/frame.jpg", "/stream.mjpg"])
def test_each_picture_comes_with_what_was_found_in_it(site: Site, path: str) -> None:
    for number, name in enumerate(("dark", "bright", "\N{SNOWMAN}\r\nX-Evil: 1" + "\U0001f600" * 300)):
        # Before the request: one that comes first may be answered with the picture before.
        site.page.publish(finished(number, classified(name, "b", "c", "d", "e", "f")))
        with site.raw(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()) as viewer:
            data = read_until(viewer, lambda data: b"\xff\xd9" in data)
        head = data[: data.index(b"\xff\xd8")].decode("ascii")
        assert "X-Evil" not in [line.split(":")[0] for line in head.splitlines()]
        assert len(head) < 8192
        result = json.loads(next(line for line in head.splitlines() if line.startswith("X-Result: "))[10:])
        assert (result["frame"], len(result["found"])) == (number, 5)
        assert result["found"][0] == {"label": name[:100], "score": 0.9}


def test_a_request_without_or_with_two_hosts_is_refused(site: Site) -> None:
    for hosts in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        with site.raw(b"GET /status.json HTTP/1.0\r\n" + hosts + b"\r\n") as connection:
            assert b" 403 " in read_until(connection, lambda data: b"\r\n" in data)


def test_other_sites_may_link_here_but_not_embed(site: Site) -> None:
    assert site.get("/frame.jpg", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert site.get("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200


@pytest.mark.parametrize("path", ["/", "/status.json", "/frame.jpg", "/stream.mjpg", "/metrics", "/nothing"])
def test_nothing_is_shown_without_the_token(open_site: Callable[..., Site], path: str) -> None:
    site = open_site(TOKEN)
    port = site.port
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": f"pi-infer-{port}=wrong"},
        {"Cookie": f"other={TOKEN}"},
    ):
        for query in ("", "?token=", "?token=wrong", f"?token={TOKEN}x", f"?nekot={TOKEN}"):
            status, body, _ = site.get(path + query, **headers)
            assert status == 401
            assert b"tiny.onnx" not in body
            assert TOKEN.encode() not in body
    assert site.get("/healthz")[0] == 200


def test_the_token_opens_in_the_address_as_cookie_and_as_bearer(open_site: Callable[..., Site]) -> None:
    site = open_site(TOKEN)
    assert site.get(f"/status.json?token={TOKEN}")[0] == 200
    assert site.get("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    status, body, headers = site.get(f"/?token={TOKEN}")
    assert (status, body, headers["Location"]) == (303, b"", "./")
    cookie, *rules = headers["Set-Cookie"].split("; ")
    assert cookie == f"pi-infer-{site.port}={TOKEN}"
    assert set(rules) == {"HttpOnly", "SameSite=Lax"}  # for its own path, wherever a proxy puts it
    assert site.get("/", Cookie=cookie)[0] == 200


def test_a_port_in_use_is_one_line(site: Site) -> None:
    threads = threading.active_count()
    with pytest.raises(InputError, match=rf"127\.0\.0\.1:{site.port}: Address already in use; .*--web"):
        LivePage(site.access, site.status)
    assert threading.active_count() == threads


def test_closing_ends_viewers_and_frees_the_port() -> None:
    site = Site()
    with site.watch() as viewer:
        read_until(viewer, lambda data: b"--frame\r\n" in data)
        site.page.close()
        assert viewer.recv(100) == b""
    LivePage(site.access, site.status).close()


def test_beyond_loopback_a_token_is_made_each_time() -> None:
    first, second = (access_for(Address("0.0.0.0", 8080), None) for _ in range(2))  # noqa: S104
    assert first.token is not None
    assert len(first.token) >= 32
    assert first.token != second.token
    assert page_url(first, with_token=True) == f"http://{socket.gethostname()}:8080/?token={first.token}"
    assert access_for(Address("::1", 8080), None).token is None
    assert page_url(access_for(Address("::1", 8080), None), with_token=True) == "http://[::1]:8080/"


def test_a_token_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    access = access_for(Address("127.0.0.1", 8080), path)
    assert access.token == TOKEN
    assert TOKEN not in page_url(access, with_token=False)


@pytest.mark.parametrize(
    "content", [None, b"", b"short", b"with spaces in the token", b"\xff" * 20, b"x" * 300]
)
def test_a_file_without_a_token_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="token"):
        access_for(Address("127.0.0.1", 8080), path)
