"""What the README and docs/ show to be copied: blocks of code, commands, and options that the text names."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "$ "


@dataclass(frozen=True)
class Command:
    """A command line in a block of a document.

    Attributes:
        document: The document's name.
        line: The command, without its prompt.
        output: What is shown below it, until the next command.
    """

    document: str
    line: str
    output: str = ""

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line, comments=True)

    @property
    def program(self) -> str:
        return next(word for word in self.words if word != "sudo")


def blocks(document: Path, language: str) -> list[str]:
    """The blocks of code of a language; "" for those that name none."""
    return [code for named, code in BLOCK.findall(document.read_text(encoding="utf-8")) if named == language]


def python_examples() -> list[str]:
    return [code for document in DOCUMENTS for code in blocks(document, "python")]


def commands(document: Path) -> list[Command]:
    """The commands of a document, in order: behind a prompt, or the lines of a block of commands alone."""
    return [command for block in blocks(document, "") for command in _commands(document.name, block)]


def _commands(name: str, block: str) -> Iterator[Command]:
    if block.startswith(PROMPT):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            yield Command(name, line, output)
    elif re.match(r"(make|sudo|pi-export|pi-infer|tests/)", block):
        yield from (Command(name, line) for line in block.splitlines())


def spans(document: Path) -> list[str]:
    """Every text between single backticks, in the order of the document."""
    text = BLOCK.sub("", document.read_text(encoding="utf-8"))
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
