"""What a report consists of, however it is written: sections with sentences, tables, figures and pictures."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        caption: What it shows, for those who do not see it; never shown in Markdown.
        header: Names of the columns.
        rows: Texts; each row begins with what it is about.
        numbers: Columns of figures, which stand to the right.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A drawing of a report, with the figures behind it.

    Attributes:
        name: In letters, one of its own within a report.
        caption: What there is to see, in a sentence that also stands for the drawing itself.
        draw: Draws it, as a text of SVG.
        data: What is drawn; None where a table of the section says it already.
    """

    name: str
    caption: str
    draw: Callable[[], str]
    data: Table | None = None


@dataclass(frozen=True)
class Picture:
    """A small picture with what two networks say of it.

    Attributes:
        name: Its file.
        before: What the original says.
        after: What the reduced network says.
        jpeg: The picture in base64.
        width: In pixels.
        height: In pixels.
    """

    name: str
    before: str
    after: str
    jpeg: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """A part of a report under a heading.

    Attributes:
        title: The heading.
        sentences: What is to be said first.
        table: A table below.
        figures: Drawings below that.
        pictures: Pictures at the end.
    """

    title: str
    sentences: tuple[str, ...] = ()
    table: Table | None = None
    figures: tuple[Figure, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: What it is about.
        sections: Its parts, in order.
    """

    title: str
    sections: tuple[Section, ...]
