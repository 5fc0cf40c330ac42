"""What CONTRIBUTING.md names is there: files, folders, classes, functions; and its plan is the linter's."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TEXT = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PACKAGES = ("edge_runtime", "export")
HOMES = [PROJECT, *(PROJECT / name for name in (*PACKAGES, "tests"))]  # where paths in the text begin
PATH = re.compile(r"(?!/)[\w.*-]*(/[\w.*-]+)*/?")
ENDINGS = (".py", ".md", ".toml", ".sh", ".onnx", "/")
WORD = re.compile(
    r"[A-Z][a-z]+([A-Z][a-z]+)*|[A-Z]+(_[A-Z]+)*|[a-z]+(_[a-z]+)+|_[A-Z_]+|[A-Z]\w+(\.[a-z_]+)+"
)
NOT_OURS = {"None", "M", "U", "W", "B"}  # Python's, and the letters of the mathematics


def spans() -> list[str]:
    """Every text between backticks, once."""
    return sorted({" ".join(text.split()) for text in re.findall(r"`([^`]+)`", TEXT)})


def paths() -> list[str]:
    """Every path in them, also within a command; what lies outside of the repository is left out."""
    pieces = sorted({piece for text in spans() for piece in text.split()})
    named = [text for text in pieces if PATH.fullmatch(text) and not text.startswith(("..", ".venv"))]
    return [text for text in named if "/" in text.rstrip("/") or text.endswith(ENDINGS)]


def words() -> list[str]:
    named = [text.removesuffix("()") for text in spans() if text not in paths()]
    return [text for text in named if WORD.fullmatch(text) and text not in NOT_OURS]


def homes_of_words() -> list[tuple[str, str]]:
    """Each word that the text says to be in, or of, a file: with that file."""
    return re.findall(r"`(\w+(?:\.\w+)?)`\s+(?:in\s|of\s|\()\s*`([\w/]+\.py)`", TEXT)


def defined() -> set[str]:
    """Names of classes, functions, fields and constants, and texts that are names, such as variables."""
    names: set[str] = set()
    for folder in (*PACKAGES, "tests"):
        for file in (PROJECT / folder).rglob("*.py"):
            names.update(names_in(ast.parse(file.read_text(encoding="utf-8"))))
    return names


def names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def places(path: str) -> list[Path]:
    """What a path in the text may mean: from where paths begin, or a name alone anywhere within."""
    wanted = path.replace("NAME.py", "").rstrip("/")
    places = [place for home in HOMES for place in home.glob(wanted)]
    return places or [place for home in HOMES[1:] if "/" not in wanted for place in home.rglob(wanted)]


@pytest.mark.parametrize("path", paths())
def test_a_path_that_is_named_exists(path: str) -> None:
    assert places(path), f"CONTRIBUTING.md names {path}"


@pytest.mark.parametrize(("word", "path"), homes_of_words())
def test_a_word_is_in_the_file_that_is_named_beside_it(word: str, path: str) -> None:
    trees = [ast.parse(place.read_text(encoding="utf-8")) for place in places(path)]
    assert any(set(word.split(".")) <= set(names_in(tree)) for tree in trees)


def test_a_class_a_function_or_a_constant_that_is_named_exists() -> None:
    known = defined()
    assert [text for text in words() if not known.issuperset(text.split("."))] == []


def test_the_text_is_read_as_it_is_meant() -> None:
    assert {"calibrate/stream.py", "base/", "layer.py", "export/methods/NAME.py", ".ci/run"} <= set(paths())
    assert {"SourceModel", "METHODS", "borrow_flag", "Passes.record", "Outputs.open_here"} <= set(words())
    assert {("METHODS", "methods/__init__.py"), ("reduce", "reduction/file.py")} <= set(homes_of_words())


@pytest.mark.parametrize("package", PACKAGES)
def test_the_plan_is_that_of_the_linter(package: str) -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == [package]]
    table = TEXT.partition(f"| `{package}/` |")[2].partition("\n\n")[0]
    rows = [re.findall(r"`([\w/.]+)`", line.split("|")[1]) for line in table.splitlines()[2:]]
    plan = [[name.removesuffix("/").removesuffix(".py") for name in row] for row in rows]
    assert plan == [[name.strip() for name in layer.split("|")] for layer in layers]
