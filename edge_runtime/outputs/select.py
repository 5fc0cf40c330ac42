"""From the settings to the outputs: the same for the live command and the service."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from edge_runtime.base.addresses import parse_address
from edge_runtime.base.errors import InputError, InUseError
from edge_runtime.base.files import read_text
from edge_runtime.base.hangup import Reopening
from edge_runtime.base.sole_use import SoleUse
from edge_runtime.outputs.background import Background, FrameBackground, PictureBackground, StatusBackground
from edge_runtime.outputs.base import FrameOutput
from edge_runtime.outputs.jsonl import STANDARD_OUTPUT, JsonLines, Rotation
from edge_runtime.results.frame_result import FrameResult
from edge_runtime.results.status import StatusSource
from edge_runtime.settings.config import Config
from edge_runtime.settings.output_sections import JsonlConfig, MqttConfig, PrometheusConfig, WebConfig

JSONL_WAITING = 64
SERVICE_ROTATE_MIB = 16
MIB = 1 << 20
LARGEST_BENCH_BYTES = 4 << 20

Opened = TypeVar("Opened")

log = logging.getLogger(__name__)


class Outputs:
    """All outputs of a run; those that can wait do so on threads of their own.

    A run somebody watches ends at once if an output cannot be opened, or if JSON lines that must be complete
    cannot be written. An unattended run goes on, whatever its outputs do. Either ends where another run
    writes the same file, serves on the same port or publishes under the same name.
    """

    def __init__(
        self,
        status: StatusSource,
        *,
        unattended: bool,
        complete: bool,
        announce: Callable[[str], None],
        reopening: Reopening | None = None,
    ) -> None:
        """Begin without any output.

        Args:
            status: How the run stands.
            unattended: Whether nobody is there to read an error: outputs are opened behind the run's back.
            complete: Whether JSON lines in a file must have every frame; on standard output they must anyway.
            announce: Takes lines that the user needs: where the live page is.
            reopening: Says when files that grow are to be opened anew.
        """
        self._status = status
        self._unattended = unattended
        self._complete = complete
        self._announce = announce
        self._reopening = reopening
        self._held: list[SoleUse] = []
        self._frame_outputs: list[FrameOutput] = []
        self._status_outputs: list[StatusBackground] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        opened: tuple[FrameOutput | StatusBackground, ...] = (*self._frame_outputs, *self._status_outputs)
        for output in opened:
            if isinstance(output, Background):
                output.end()  # all at once, so that those that hang take no longer than one
        with ExitStack() as stack:
            for held in self._held:
                stack.callback(held.close)
            for output in opened:
                stack.callback(output.close)

    def open(self, config: Config) -> None:
        """Open what the settings name: ``open_here``, then ``open_broker``.

        Raises:
            InUseError: Another run has what only one may have.
            InputError: A setting cannot work or, unless unattended, an output cannot be opened.
        """
        self.open_here(config)
        self.open_broker(config)

    def open_here(self, config: Config) -> None:
        """Open what stays on this machine: files and the live page.

        Raises:
            InUseError: Another run has what only one may have.
            InputError: A setting cannot work or, unless unattended, an output cannot be opened.
        """
        if config.jsonl.path is not None:
            self._open_jsonl(config.jsonl, config.jsonl.path)
        if config.web.address is not None:
            self._open_web(config.web, config.web.address)
        if config.prometheus.textfile is not None:
            self._open_textfile(config.prometheus, config.prometheus.textfile)

    def open_broker(self, config: Config) -> None:
        """Begin to tell the broker that we are there.

        Raises:
            InUseError: Another run on this machine tells it under the same name.
            InputError: A setting cannot work.
        """
        if config.mqtt.broker is not None:
            self._open_mqtt(config.mqtt)

    def publish(self, frame_result: FrameResult) -> None:
        """Hand a frame to the outputs that take frames, and have the others told how the run stands.

        Raises:
            InputError: JSON lines that must be complete cannot be written.
            BrokenPipeError: The reader of standard output went away.
        """
        for output in self._frame_outputs:
            output.publish(frame_result)
        for background in self._status_outputs:
            background.refresh(self._status.now)

    def _open_jsonl(self, config: JsonlConfig, path: str) -> None:
        rotate_mib = config.rotate_mib or (SERVICE_ROTATE_MIB if self._unattended else None)
        rotation = None if rotate_mib is None else Rotation(rotate_mib * MIB, config.keep)
        open_file = partial(JsonLines, path, rotation=rotation, reopening=self._reopening)
        again = partial(open_file, append=True)
        first = self._first(again if rotation else open_file)
        if first is not None and (path == STANDARD_OUTPUT or self._complete) and not self._unattended:
            self._frame_outputs.append(first)
        else:
            self._add_frame_output(FrameBackground("jsonl", again, opened=first, waiting=JSONL_WAITING))

    def _open_web(self, config: WebConfig, address: str) -> None:
        from edge_runtime.outputs.web import LivePage, page_url  # noqa: PLC0415  some megabytes
        from edge_runtime.outputs.web_access import access_for  # noqa: PLC0415

        access = access_for(parse_address(address), config.token_file, config.hosts)
        baseline = None if config.bench is None else read_baseline(config.bench)

        def open_page() -> FrameOutput:
            page = LivePage(access, self._status, baseline=baseline, fps=config.fps)
            shown = page_url(access, with_token=config.token_file is None)
            self._announce(f"live page: {shown}")
            return page

        first = self._first(open_page)
        self._hold(f"port {access.address.port}", None if first else f"another run serves {access.address}")
        self._add_frame_output(PictureBackground("web", open_page, opened=first, interval_s=1 / config.fps))

    def _open_textfile(self, config: PrometheusConfig, path: Path) -> None:
        from edge_runtime.outputs.prometheus import Textfile  # noqa: PLC0415  not in every run

        # Not by a lock on it: each version of the file is another file.
        self._hold(f"file {path.resolve()}", f"cannot write {path}: another run keeps its figures there")
        open_file = partial(Textfile, path)
        self._add_status_output(
            StatusBackground(
                "prometheus", open_file, opened=self._first(open_file), interval_s=config.seconds
            )
        )

    def _open_mqtt(self, config: MqttConfig) -> None:
        from edge_runtime.outputs.mqtt import Mqtt, broker_of  # noqa: PLC0415  some megabytes

        broker = broker_of(config)
        self._hold(
            f"mqtt {broker.address} {broker.topic}",
            f"another run publishes as {broker.topic} to {broker.address}; give this one a --mqtt-name",
        )
        # Not opened here and now: a broker comes and goes, and must not end a run that somebody watches.
        self._add_status_output(
            StatusBackground("mqtt", lambda: Mqtt(broker, self._status.now()), interval_s=broker.seconds)
        )

    def _first(self, open_output: Callable[[], Opened]) -> Opened | None:
        """An output, opened; None where that fails and an unattended run shall go on and try again."""
        try:
            return open_output()
        except InUseError:
            raise
        except InputError:
            if not self._unattended:
                raise
            return None

    def _hold(self, name: str, complaint: str | None) -> None:
        """Hold a name while the outputs are open; where another run does, ``complaint`` is what is wrong."""
        try:
            self._held.append(SoleUse(name))
        except BlockingIOError as error:
            if complaint is not None:
                raise InUseError(complaint) from error
        except OSError as error:  # such sockets may be forbidden to us
            log.debug("%s: %s", name, error)

    def _add_frame_output(self, background: FrameBackground | PictureBackground) -> None:
        self._frame_outputs.append(background)
        self._status.states.append(lambda: background.state)

    def _add_status_output(self, background: StatusBackground) -> None:
        self._status_outputs.append(background)
        self._status.states.append(lambda: background.state)


def read_baseline(path: Path) -> dict[str, Any]:
    """A benchmark's comparison for the live page, in JSON.

    Keys: ``sentence`` and ``speedup`` and ``rss_ratio`` (None without a baseline), ``valid``, ``models``.

    Raises:
        InputError: The file cannot be read, or is no report of ``pi-infer bench --json``.
    """
    from edge_runtime.bench.report import comparison, from_json  # noqa: PLC0415  most runs show no benchmark

    try:
        report = from_json(read_text(path, "the benchmark", LARGEST_BENCH_BYTES))
    except ValueError as error:
        raise InputError(f"{path} is not what 'pi-infer bench --json' writes: {error}") from error
    return {
        "sentence": comparison(report),
        "speedup": report.speedup,
        "rss_ratio": report.rss_ratio,
        "valid": report.valid,
        "models": [
            {
                "name": model.name,
                "fps": model.fps,
                "p50_ms": model.latency_ms.p50,
                "rss_mib": model.peak_rss_mib,
            }
            for model in report.models
        ],
    }
