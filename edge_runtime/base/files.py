"""Reading files that are files, and writing them whole or not at all."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_runtime.base.errors import InputError
from edge_runtime.base.names import readable

LARGEST_TEXT_BYTES = 1 << 20  # cards and settings have some thousands: what is larger is another file


def require_no_pipe(path: Path, hint: str = "") -> None:
    """Raise ``InputError`` for a pipe, which may have us wait for ever, or a device, which may never end.

    Args:
        path: What shall be opened.
        hint: What the message says besides, where there is another way.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # whoever opens it says why
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path} is not a file{hint}")


@contextmanager
def name_in_utf8(path: Path) -> Iterator[str]:
    """A name of a file for libraries in C++, which refuse one that is not UTF-8, or crash.

    Args:
        path: The file.

    Raises:
        OSError: It is to be opened for that, and cannot be.
    """
    name = str(path)
    if readable(name) == name:
        yield name
        return
    with path.open("rb") as file:
        yield f"/proc/self/fd/{file.fileno()}"


def read_text(path: Path, what: str = "", largest_bytes: int = LARGEST_TEXT_BYTES) -> str:
    """Read a file of text in UTF-8, with or without a byte order mark.

    Args:
        path: A file.
        what: What the file is to the user, for the message: "the settings".
        largest_bytes: A larger one is refused.

    Raises:
        InputError: It is missing, no file, unreadable, too large, or no text.
    """
    text = ""
    try:
        unfit = _unfit_for_a_text(path, largest_bytes)
        if unfit is None:
            text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        unfit = "it is not a text in UTF-8"
    except OSError as error:
        unfit = error.strerror
    if unfit is not None:
        raise InputError(f"cannot read {f'{what} {path}'.strip()}: {unfit}")
    return text


def _unfit_for_a_text(path: Path, largest_bytes: int) -> str | None:
    if not path.is_file():
        return "it is not a file" if path.exists() else "there is no such file"
    return "it is too large" if path.stat().st_size > largest_bytes else None


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
        temporary.replace(target)  # within one folder, and so one file system: all at once or not at all
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
    try:
        if target.is_dir():
            raise InputError(f"cannot write {target}: it is a folder; give a file name")
        if target.exists() and not target.is_file():
            raise InputError(f"cannot write {target}: it is a device or a pipe, which a file would replace")
        # The leading dot keeps it out of listings, and of folders that are searched for pictures and models.
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}; choose another output path") from error
    # mkstemp lets only the owner read; a result shall have the rights of any other new file. The umask can
    # be read only by setting it.
    umask = os.umask(0)
    os.umask(umask)
    os.fchmod(handle, 0o666 & ~umask)
    os.close(handle)
    return Path(name)
