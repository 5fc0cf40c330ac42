"""Pictures on which two networks disagree, as a section of a report."""

from collections.abc import Mapping
from typing import Any

from export.report.parts import Picture, Section

KEYS = ("name", "before", "after", "jpeg", "width", "height")


def disagreement(found: Mapping[str, Any], of: str) -> Section:
    """The pictures that are shown, after how many there are.

    Args:
        found: As ``documents.differences_document`` makes it.
        of: Which pictures were looked at, as in ``pictures apart``.
    """
    said = f"The answers differ on {found['count']} of {found['images']} {of}."
    if found["count"] > len(found["shown"]):
        said += f" Shown are {len(found['shown'])}: those of which the original is surest."
    pictures = tuple(Picture(**{key: each[key] for key in KEYS}) for each in found["shown"])
    return Section("Where both disagree", (said,), pictures=pictures)
