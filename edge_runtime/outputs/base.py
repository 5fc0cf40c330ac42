"""What everything that takes results looks like to the pipeline."""

from typing import Protocol

from edge_runtime.results.frame_result import FrameResult


class Output(Protocol):
    """Somewhere results go."""

    def publish(self, frame_result: FrameResult) -> None:
        """Take one finished frame.

        Raises:
            PiInferError: It cannot be delivered.
            OSError: The same, in the system's words.
        """
        ...

    def close(self) -> None:
        """Give back whatever is held."""
        ...
