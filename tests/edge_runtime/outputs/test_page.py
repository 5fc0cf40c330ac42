"""The live page in a real browser: what a person sees on a desktop and on a phone."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge_runtime.base.addresses import Address
from edge_runtime.outputs.web import LivePage
from edge_runtime.outputs.web_access import Access
from edge_runtime.results.status import OutputState
from tests.edge_runtime.finished_frames import classified, detected, finished, free_port, status_source
from tests.edge_runtime.outputs.browser import Browser
from tests.edge_runtime.outputs.proxy import proxy_below

TOKEN = "s3cret-token-of-the-test"  # noqa: S105
LIVE = "document.querySelector('#state')?.textContent == 'live'"
SHOWN = f"{LIVE} && document.querySelector('#picture').naturalWidth > 0"
BASELINE = {
    "sentence": "reduced.onnx is 3.10x (3.00 to 3.20) faster than baseline.onnx, uses 0.45x the memory",
    "speedup": 3.1,
    "rss_ratio": 0.45,
    "valid": False,
    "models": [
        {
            "name": "a-very-long-name-of-a-network-" * 3 + ".onnx",
            "fps": 10.0,
            "p50_ms": 99.0,
            "rss_mib": 200.0,
        },
        {"name": "reduced.onnx", "fps": 31.0, "p50_ms": 32.0, "rss_mib": 90.0},
    ],
}


class Run:
    """A pipeline that goes on for ever, as the page sees it."""

    def __init__(self, *, token: str | None = None) -> None:
        self.port = free_port()
        self.result: Any = classified("Käse & <b>Brot</b>", "circle")
        self.alternating = False
        self.status = status_source(model="reduced.onnx")
        self._access = Access(Address("127.0.0.1", self.port), token)
        self._done = threading.Event()
        self.page = self._open()
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def restart_server(self) -> None:
        self.page = self._open()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()
        self.page.close()

    def _open(self) -> LivePage:
        return LivePage(self._access, self.status, baseline=BASELINE)

    def _go_on(self) -> None:
        number = 0
        while not self._done.wait(0.05):
            number += 1
            frame_result = finished(number, self.result)
            if self.alternating:
                dark = number % 2 == 0
                frame_result = finished(
                    number, classified("dark" if dark else "bright"), grey=10 if dark else 240
                )
            self.status.summary.add(frame_result)
            self.page.publish(frame_result)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    with Browser(program) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    chromium.events.clear()
    yield chromium
    chromium.open("about:blank")


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run()
    yield made
    made.stop()


def text(browser: Browser, selector: str) -> str:
    return str(browser.value(f"document.querySelector({selector!r}).innerText"))


@pytest.mark.parametrize("size", [(1280, 800), (390, 844), (320, 568)])
def test_everything_is_shown_and_nothing_sticks_out(
    browser: Browser, run: Run, tmp_path: Path, size: tuple[int, int]
) -> None:
    width, height = size
    phone = width < height
    browser.open(run.url, width=width, height=height, phone=phone)
    browser.wait_for(SHOWN)
    browser.wait_for("document.querySelector('#figures').innerText.includes('12.5 ms')")  # a frame was timed
    figures = text(browser, "#figures")
    for shown in ("Frames/s", "12.5 ms", "20 ms", "72 °C", "Throttled\nyes"):
        assert shown in figures
    assert text(browser, "#model") == "reduced.onnx"
    assert text(browser, "#found li").startswith("Käse & <b>Brot</b>")  # as text, not as markup
    assert "under-voltage" in text(browser, "#troubles")
    assert "3.10x" in text(browser, "#sentence")
    assert "disturbed" in text(browser, "#sentence")
    assert browser.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.complaints() == []
    seen = cv2.imread(str(browser.screenshot(tmp_path / "page.png")))
    assert seen is not None
    assert seen.shape[1] == width * (2 if phone else 1)


def test_the_picture_moves_on(browser: Browser, run: Run, tmp_path: Path) -> None:
    browser.open(run.url)
    browser.wait_for(SHOWN)
    before = cv2.imread(str(browser.screenshot(tmp_path / "before.png")))
    run.result = detected((5, 5, 60, 40))
    browser.wait_for("document.querySelector('#found li').innerText.startsWith('person')")
    after = cv2.imread(str(browser.screenshot(tmp_path / "after.png")))
    assert before is not None
    assert after is not None
    assert (before[100:400, 100:700] != after[100:400, 100:700]).any()


def test_troubles_of_outputs_are_shown(browser: Browser, run: Run) -> None:
    run.status.states.append(lambda: OutputState("mqtt", failing=True, skipped=1))
    browser.open(run.url)
    browser.wait_for(SHOWN)
    assert "mqtt fails" in text(browser, "#troubles")


def test_before_the_first_frame_the_page_says_so(browser: Browser) -> None:
    address = Address("127.0.0.1", free_port())
    page = LivePage(Access(address, None), status_source())
    try:
        browser.open(f"http://{address}/")
        browser.wait_for("document.querySelector('#state')?.textContent == 'no frame yet'")
        assert text(browser, "#found") == "no frame yet"
        assert browser.complaints() == []
    finally:
        page.close()


def test_the_page_comes_back_after_the_server_went(browser: Browser, run: Run) -> None:
    browser.open(run.url)
    browser.wait_for(SHOWN)
    run.page.close()
    browser.wait_for("document.querySelector('#state')?.textContent == 'connection lost'")
    assert browser.value("document.querySelector('#picture').hidden")
    run.restart_server()
    browser.wait_for(SHOWN)


def test_a_token_is_asked_for_and_then_kept_out_of_the_address(browser: Browser) -> None:
    run = Run(token=TOKEN)
    try:
        browser.open(run.url, width=390, height=844, phone=True)
        browser.wait_for("document.querySelector('#token') != null")
        browser.value(f"document.querySelector('#token').value = {TOKEN!r}; document.forms[0].submit()")
        browser.wait_for(SHOWN)
        assert browser.value("location.href") == run.url
        assert TOKEN not in str(browser.value("document.cookie"))
        browser.open(run.url)
        browser.wait_for(SHOWN)
    finally:
        run.stop()


def luminance(image: Any) -> float:
    return float(image[-1, -1].mean())


def test_it_follows_the_dark_mode(browser: Browser, run: Run, tmp_path: Path) -> None:
    browser.open(run.url)
    browser.wait_for(SHOWN)
    light = cv2.imread(str(browser.screenshot(tmp_path / "light.png")))
    browser.dark()
    dark = cv2.imread(str(browser.screenshot(tmp_path / "dark.png")))
    browser.call("Emulation.setEmulatedMedia", features=[])
    assert luminance(light) > 200
    assert luminance(dark) < 60


#: Looks before each painting whether the list tells of the very picture that is shown; counts both kinds.
COMPARING = """
new Promise(done => {
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  const seen = {dark: 0, bright: 0, wrong: 0};
  canvas.width = canvas.height = 1;
  const ends = performance.now() + 3000;
  (function look() {
    const picture = document.querySelector("#picture"), list = document.querySelector("#found").innerText;
    pen.drawImage(picture, picture.naturalWidth - 2, picture.naturalHeight - 2, 1, 1, 0, 0, 1, 1);
    const shown = pen.getImageData(0, 0, 1, 1).data[0] < 128 ? "dark" : "bright";
    seen[list.startsWith(shown) ? shown : "wrong"] += 1;
    if (performance.now() < ends) requestAnimationFrame(look); else done(JSON.stringify(seen));
  })();
})
"""


def test_the_list_tells_of_the_very_frame_that_the_picture_shows(browser: Browser, run: Run) -> None:
    run.alternating = True
    browser.open(run.url)
    browser.wait_for(f"{SHOWN} && /^(dark|bright)/.test(document.querySelector('#found').innerText)")
    seen = json.loads(str(browser.value(COMPARING)))
    assert seen["wrong"] == 0
    assert min(seen["dark"], seen["bright"]) > 5
    assert browser.complaints() == []


def test_where_the_stream_has_no_place_left_the_list_goes_on(
    browser: Browser, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.page._stream, "after", lambda *_: None)  # noqa: SLF001  as if pictures never came
    browser.open(run.url)
    browser.wait_for(f"{LIVE} && document.querySelector('#found').innerText.startsWith('Käse')")


@pytest.mark.parametrize("token", [None, TOKEN])
def test_it_works_below_a_path_of_a_proxy(browser: Browser, token: str | None) -> None:
    run = Run(token=token)
    try:
        with proxy_below("/cameras/cellar/", run.port) as proxy:
            address = f"http://127.0.0.1:{proxy.server_port}/cameras/cellar/"
            browser.open(address)
            if token is not None:
                browser.wait_for("document.querySelector('#token') != null")
                browser.value(
                    f"document.querySelector('#token').value = {token!r}; document.forms[0].submit()"
                )
            browser.wait_for(SHOWN)
            assert browser.value("location.href") == address
            assert {path.split("?")[0] for path in proxy.asked} == {  # type: ignore[attr-defined]
                f"/cameras/cellar/{name}" for name in ("", "status.json", "stream.mjpg")
            }
            assert browser.complaints() == [] or token is not None  # the first answer was a 401
            browser.open("about:blank")
    finally:
        run.stop()
