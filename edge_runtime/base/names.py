"""File names as texts: to the system a name is bytes, which need not be UTF-8."""

from collections.abc import Mapping
from typing import Any

#: Python keeps a byte of a name that is not UTF-8 as half of a surrogate pair; here is how it is shown.
_BYTES = {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)}


def readable(name: object) -> str:
    r"""A file's name, or a text with names in it, so that any program can read it.

    A byte that is not UTF-8 becomes ``\xHH``. As Python keeps it, it would be no text: most programs refuse
    JSON that holds it, and it cannot be written as UTF-8. Names in UTF-8, nearly all of them, stay as they
    are.
    """
    return str(name).translate(_BYTES)


def readable_document(document: Any) -> Any:
    """A document of plain data in which each text is ``readable``: for JSON that holds names of files."""
    if isinstance(document, Mapping):
        return {readable(key): readable_document(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [readable_document(value) for value in document]
    return readable(document) if isinstance(document, str) else document
