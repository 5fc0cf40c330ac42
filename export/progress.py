"""Telling how far a long piece of work has come."""

from typing import Protocol


class Progress(Protocol):
    """Called again and again with the work done so far."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """``done`` of ``total`` parts of ``step`` are finished."""
        ...


def silent(step: str, done: int, total: int) -> None:
    """A ``Progress`` that shows nothing."""
