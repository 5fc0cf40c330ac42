"""Writing what was found or done into files, whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import write_text
from edge_runtime.base.names import readable_document
from export.report.page import reduction_page


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document as JSON into a file. Raises ``InputError`` if it cannot be written there."""
    text = json.dumps(readable_document(document), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_report(folder: Path, document: Mapping[str, Any]) -> None:
    """Write ``report.json`` and ``report.html`` of a reduction into a folder, made if need be.

    Args:
        folder: Where to.
        document: What ``reduce --json`` writes.

    Raises:
        InputError: The folder cannot be made or written in.
    """
    require_folder(folder)
    write_json(folder / "report.json", document)
    write_text(folder / "report.html", reduction_page(readable_document(document)))


def require_folder(folder: Path) -> None:
    """Make a folder where there is none. Raises ``InputError`` if that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write the report into {folder}: {error.strerror}") from error
