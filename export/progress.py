"""Telling how far a long piece of work has come."""

from typing import Protocol


class Progress(Protocol):
    """What long work calls again and again to say how far it has come."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Say how far the work has come.

        Args:
            step: What is under way, in words.
            done: How many parts of it are finished.
            total: How many parts it has.
        """
        ...


def silent(step: str, done: int, total: int) -> None:
    """A ``Progress`` that shows nothing."""
