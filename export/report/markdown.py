"""A report as Markdown: the same facts as the page, the figures behind drawings in their place."""

from collections.abc import Iterator

from export.report.parts import Report, Section, Table


def markdown(report: Report) -> str:
    """A report as Markdown, without drawings and pictures."""
    blocks = [
        f"# {_plain(report.title)}",
        *(block for section in report.sections for block in _blocks(section)),
    ]
    return "\n\n".join(blocks) + "\n"


def _blocks(section: Section) -> Iterator[str]:
    yield f"## {_plain(section.title)}"
    yield from map(_plain, section.sentences)
    if section.table:
        yield _table(section.table)
    for figure in section.figures:
        if figure.data:
            yield _plain(figure.caption)
            yield _table(figure.data)
    if section.pictures:
        rows = tuple((picture.name, picture.before, picture.after) for picture in section.pictures)
        yield _table(Table("Where both disagree", ("Picture", "Before", "After"), rows))


def _table(table: Table) -> str:
    marks = ["---:" if column in table.numbers else "---" for column in range(len(table.header))]
    rows = [table.header, tuple(marks), *table.rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows)


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """Text that neither makes lines of its own nor is taken for HTML."""
    return " ".join(text.split()).replace("<", "&lt;")
