"""Writing what was found or done into files, whole or not at all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from edge_runtime.base.errors import InputError
from edge_runtime.base.files import read_text, write_text
from edge_runtime.base.names import readable_document
from export.report.assemble import Documents, assemble, kind_of
from export.report.markdown import markdown
from export.report.page import page

LARGEST_DOCUMENT_BYTES = 64 << 20


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document as JSON into a file. Raises ``InputError`` if it cannot be written there."""
    text = json.dumps(readable_document(document), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_report(folder: Path, *documents: Mapping[str, Any]) -> None:
    """Write ``report.html``, ``report.md`` and ``report.json`` into a folder, made if need be.

    Args:
        folder: Where to.
        documents: What ``reduce``, ``evaluate`` and ``pi-infer bench`` write, one of a kind.

    Raises:
        InputError: The folder cannot be made or written in, or a document is none of these or a second one.
    """
    require_folder(folder)
    sorted_out = Documents()
    for document in documents:
        kind = kind_of(document)
        if kind is None:
            raise InputError("a document is no result that there is a report of")
        if getattr(sorted_out, kind) is not None:
            raise InputError(f"two documents are of the same kind, {kind}: give one of each")
        sorted_out = replace(sorted_out, **{kind: readable_document(document)})
    report = assemble(sorted_out)
    write_json(folder / "report.json", documents[0] if len(documents) == 1 else _together(sorted_out))
    write_text(folder / "report.html", page(report))
    write_text(folder / "report.md", markdown(report))


def write_report_of_files(folder: Path, paths: Sequence[Path]) -> None:
    """Write a report of documents in files, wherever they came from.

    Args:
        folder: Where to.
        paths: What ``reduce``, ``evaluate`` and ``pi-infer bench`` have written, one of a kind.

    Raises:
        InputError: A file cannot be read or is no such document, or the report cannot be written.
    """
    documents = [_read(path) for path in paths]
    try:
        write_report(folder, *documents)
    # Whatever stands in the files: they are right if a report can be made of them.
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        names = ", ".join(map(str, paths))
        raise InputError(f"{names}: not as the commands write it: {type(error).__name__} {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_text(path, "a result in JSON", LARGEST_DOCUMENT_BYTES))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(document, dict) or kind_of(document) is None:
        raise InputError(
            f"{path} is no result of 'pi-export reduce', 'pi-export evaluate' or 'pi-infer bench'"
        )
    return document


def require_folder(folder: Path) -> None:
    """Make the folder of a report where there is none, and see, before hours of work, that it can be written.

    Raises:
        InputError: It cannot be made.
        ModuleNotFoundError: What draws the figures is not installed.
    """
    import_module("matplotlib")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write the report into {folder}: {error.strerror}") from error


def _together(documents: Documents) -> dict[str, Any]:
    """Several documents as one: the reduction's own keys, the others under their kind."""
    own = dict(documents.reduction or {})
    others = {"evaluation": documents.evaluation, "bench": documents.bench}
    return {**own, **{kind: each for kind, each in others.items() if each is not None}}
