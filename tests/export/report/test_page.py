"""The report of a reduction: documents that say what was done, and a page made from them alone."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.base.errors import InputError
from export.reduction.run import Reduction
from export.report.assemble import Documents, assemble
from export.report.documents import reduction_document
from export.report.markdown import markdown
from export.report.page import DARK, LIGHT, page
from export.report.write import write_json, write_report, write_report_of_files
from tests.attacks.networks import network
from tests.export.reductions import reduce
from tests.export.report import examples

PROVENANCE = {
    "source": "a.onnx",
    "source_sha256": "0" * 64,
    "methods": ["channel"],
    "images": 12,
    "versions": {},
}
LARGEST_BYTES = 2 << 20


class Elements(HTMLParser):
    """Every element with its attributes, and that all are closed."""

    VOID = ("meta", "img", "br", "path", "use", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def reduction() -> Reduction:
    return reduce(network(), target=1.7)


@pytest.fixture
def document(reduction: Reduction) -> dict[str, Any]:
    return reduction_document(reduction, PROVENANCE, max_drop_percent=1.0)


@pytest.fixture(scope="module")
def everything() -> Documents:
    return Documents(examples.reduction(), examples.evaluation(), examples.bench())


@pytest.fixture(scope="module")
def whole_page(everything: Documents) -> str:
    return page(assemble(everything))


def test_document_is_plain_and_adds_up(document: dict[str, Any], reduction: Reduction) -> None:
    sums = [sum(layer[f"macs_{when}"] for layer in document["layers"]) for when in ("before", "after")]
    assert document["macs_ratio"] == document["cost_ratio"] == sums[0] / sums[1] == reduction.speedup
    assert [layer["cost_after"] for layer in document["layers"]] == [
        layer["macs_after"] for layer in document["layers"]
    ]
    again = json.loads(json.dumps(document, allow_nan=False))
    assert [layer["name"] for layer in again["layers"]] == [layer.name for layer in reduction.layers]


def test_document_tells_of_what_was_tried_and_what_was_foreseen(document: dict[str, Any]) -> None:
    assert [each["chosen"] for each in document["attempts"]] == [True]
    assert document["attempts"][0]["ratio"] == document["cost_ratio"]
    ratios, errors = zip(*((each["ratio"], each["error"]) for each in document["promised"]), strict=True)
    assert list(ratios) == sorted(set(ratios))
    assert list(errors) == sorted(errors)
    for layer in document["layers"]:
        assert [share for _, share in layer["energy"]] == sorted(share for _, share in layer["energy"])


def test_page_is_made_from_the_document_alone(document: dict[str, Any], tmp_path: Path) -> None:
    write_report(tmp_path / "new" / "report", document)
    files = {path.name: path.read_text() for path in (tmp_path / "new" / "report").iterdir()}
    assert sorted(files) == ["report.html", "report.json", "report.md"]
    write_report_of_files(tmp_path / "again", [tmp_path / "new" / "report" / "report.json"])
    assert {path.name: path.read_text() for path in (tmp_path / "again").iterdir()} == files


def test_three_documents_make_one_that_can_be_read_again(everything: Documents, tmp_path: Path) -> None:
    documents = (everything.bench, everything.reduction, everything.evaluation)
    write_report(tmp_path / "one", *[each for each in documents if each])
    write_report_of_files(tmp_path / "two", [tmp_path / "one" / "report.json"])
    assert (tmp_path / "one/report.html").read_text() == (tmp_path / "two/report.html").read_text()


@pytest.mark.parametrize("kind", ["reduction", "evaluation", "bench"])
def test_each_document_has_a_report_of_its_own(kind: str, everything: Documents) -> None:
    report = assemble(Documents(**{kind: getattr(everything, kind)}))
    assert report.sections[0].table is not None
    assert Elements(page(report)).open == []


def test_page_and_markdown_state_the_same_facts(everything: Documents, whole_page: str) -> None:
    text = markdown(assemble(everything))
    facts = (
        "2.00× faster (1.90 to 2.10)",
        "2.00× smaller",
        "1.62 M",
        "405 k",
        "0.0123",
        "0.0200",
        "99.95 %",
        "-0.05 points",
        "98.00 % (90.0 to 99.6)",
        "too few images",
        "not worth reducing for this target",
        "dog 51.0 %",
        "a busy machine",
        "A CPU",
        "onnx 1.2.3",
    )
    for fact in facts:
        assert fact in whole_page
        assert fact in text


def test_markdown_has_as_many_cells_in_each_row_as_in_its_header(everything: Documents) -> None:
    for block in markdown(assemble(everything)).split("\n\n"):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_numbers_are_rounded(whole_page: str) -> None:
    text = re.sub(r"<svg.*?</svg>|<style.*?</style>", "", whole_page, flags=re.DOTALL)
    assert re.findall(r"\d\.\d{5,}", text) == []


def test_page_runs_nothing_and_fetches_nothing(whole_page: str, everything: Documents) -> None:
    elements = Elements(whole_page)
    assert elements.open == []
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in elements.found)
    for _, attributes in elements.found:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert str(value).startswith(("#", "data:image/jpeg;base64,"))
    assert not re.search(r"@import|https?:|url\((?!#)", whole_page)
    assert "<script" not in markdown(assemble(everything))
    assert len(whole_page.encode()) < LARGEST_BYTES


def test_page_can_be_read_by_those_who_do_not_see_it(whole_page: str) -> None:
    elements = Elements(whole_page).found
    images = [attributes for tag, attributes in elements if tag == "img"]
    assert all(each["alt"] and each["width"] and each["height"] for each in images)  # and nothing jumps
    drawings = [attributes for _, attributes in elements if attributes.get("role") == "img"]
    assert len(drawings) == sum(tag == "svg" for tag, _ in elements) > 4
    assert all(len(str(each["aria-label"])) > 40 for each in drawings)
    headers = [attributes for tag, attributes in elements if tag == "th"]
    assert {each.get("scope") for each in headers} == {"col", "row"}
    count = sum(tag == "table" for tag, _ in elements)
    assert count == sum(tag == "caption" for tag, _ in elements)
    assert [tag for tag, _ in elements if tag in ("h1", "h2")][:2] == ["h1", "h2"]


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        *((front, back, 4.5) for front in ("ink", "muted", "after") for back in ("paper", "stripe")),
        ("before", "paper", 3.0),
        ("after", "paper", 3.0),
    ],
)
def test_contrast(colours: dict[str, str], front: str, back: str, least: float) -> None:
    high, low = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= least


def test_an_older_document_has_a_page_too() -> None:
    new = ("attempts", "promised", "differences", "bench", "bytes_before", "bytes_after", "command", "timed")
    document = {key: value for key, value in examples.reduction().items() if key not in new}
    document["layers"] = [
        {key: value for key, value in layer.items() if key not in ("energy", "response_error")}
        for layer in document["layers"]
    ]
    assert Elements(page(assemble(Documents(document)))).open == []


def test_a_promise_of_time_and_what_came_of_it() -> None:
    timed = {
        "original_ns": 2e6,
        "reduced_ns": 1e6,
        "engine": "ncnn",
        "threads": 1,
        "where": "here",
        "predicted": 2.1,
        "target": 2.0,
    }
    text = markdown(assemble(Documents(examples.reduction(timed=timed, cost_unit="ns", reached=False))))
    assert "2.10 times faster foreseen by the cost table, 2.00 times measured under ncnn on here" in text
    assert "| Time of one inference, ncnn | 2.00 ms | 1.00 ms | 2.00× faster |" in text
    assert "not reached" in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no JSON", "is not JSON"),
        ("[1]", "is no result of"),
        ("{}", "is no result of"),
        ('{"models": [], "machine": {}}', "not as the commands write it"),
        ('{"layers": 3, "macs_ratio": 2}', "not as the commands write it"),
    ],
)
def test_what_is_no_document_is_named(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(InputError, match=says) as raised:
        write_report_of_files(tmp_path / "report", [tmp_path / "odd.json"])
    assert "odd.json" in str(raised.value)


def test_two_of_a_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="same kind"):
        write_report(tmp_path, examples.evaluation(), examples.evaluation())


def test_report_that_cannot_be_written(document: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write the report into"):
        write_report(tmp_path / "file" / "report", document)
    with pytest.raises(InputError, match="cannot write"):
        write_json(tmp_path / "none" / "out.json", document)
