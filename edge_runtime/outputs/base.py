"""What outputs look like: some take every finished frame, others are told how the run stands."""

from typing import Protocol, TypeVar

from edge_runtime.results.frame_result import FrameResult
from edge_runtime.results.status import Status

News_contra = TypeVar("News_contra", contravariant=True)


class Output(Protocol[News_contra]):
    """Somewhere news goes; what kind of news is said by ``FrameOutput`` and ``StatusOutput``."""

    def publish(self, news: News_contra, /) -> None:
        """Deliver one piece of news.

        Raises:
            PiInferError: It cannot be delivered.
            OSError: It cannot be delivered; the system says why.
        """
        ...

    def close(self) -> None:
        """End the output and give back whatever it holds."""
        ...


class FrameOutput(Output[FrameResult], Protocol):
    """An output that takes every finished frame, as JSON lines and the live page's pictures do."""


class StatusOutput(Output[Status], Protocol):
    """An output that is told how the run stands, newest result included: MQTT, Prometheus' textfile."""
