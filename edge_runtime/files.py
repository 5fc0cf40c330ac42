"""Writing files whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_runtime.errors import InputError


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` that replaces it on success and vanishes on any failure.

    Args:
        target: The file to write. Its folder must exist.

    Raises:
        InputError: The folder does not exist, or the file cannot be written there.
    """
    target = Path(os.path.realpath(target))  # a link stays a link, and what it names is written
    temporary = _temporary_beside(target)
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(target: Path, data: bytes) -> None:
    """Write ``data`` to ``target`` atomically. Raises ``InputError`` where that is impossible."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)


def write_text(target: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``target`` atomically. Raises ``InputError`` where that is impossible."""
    write_bytes(target, text.encode())


def require_writable(target: Path) -> None:
    """Fail now, before hours of work, if ``target`` cannot be written at the end.

    Raises:
        InputError: ``target`` is a folder, or its folder is missing or not writable.
    """
    _temporary_beside(target).unlink()


def _temporary_beside(target: Path) -> Path:
    if target.is_dir():
        raise InputError(f"cannot write {target}: it is a folder; give a file name")
    if target.exists() and not target.is_file():
        raise InputError(f"cannot write {target}: it is a device or a pipe, which a file would replace")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}; choose another output path") from error
    umask = os.umask(0)
    os.umask(umask)
    os.fchmod(handle, 0o666 & ~umask)
    os.close(handle)
    return Path(name)
