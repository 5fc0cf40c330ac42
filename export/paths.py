"""Paths as callers of the Python functions write them: texts will do."""

import os
from pathlib import Path
from typing import overload

AnyPath = str | os.PathLike[str]


@overload
def as_path(path: AnyPath) -> Path: ...


@overload
def as_path(path: AnyPath | None) -> Path | None: ...


def as_path(path: AnyPath | None) -> Path | None:
    """A path, given as a text or as any kind of path, as a ``Path``; None stays None."""
    return None if path is None else Path(path)
