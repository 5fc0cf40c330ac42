"""The README stays short, and what it and docs/ link to is there."""

import re
from pathlib import Path

import pytest

from tests.newcomer.documents import BLOCK, DOCUMENTS, PROJECT

LINK = re.compile(r"\]\(([^)]+)\)")


def anchors(document: Path) -> set[str]:
    """What the headings of a document are called in links, as GitHub and others make them."""
    text = BLOCK.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(BLOCK.sub("", document.read_text(encoding="utf-8"))):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.is_file(), f"{document.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{document.name} links to {link}"


def test_the_readme_is_short_and_names_every_document() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 250
    linked = {link.removeprefix("docs/") for link in LINK.findall(text)}
    assert {path.name for path in DOCUMENTS[1:]} <= linked
