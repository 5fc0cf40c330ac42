"""The report of a reduction: documents that say what was done, and a page made from them alone."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.base.errors import InputError
from export.reduction.run import Reduction
from export.report.documents import reduction_document
from export.report.page import reduction_page
from export.report.write import write_json, write_report
from tests.attacks.networks import network
from tests.export.reductions import reduce

PROVENANCE = {
    "source": "<script>alert(1)</script>.onnx",
    "source_sha256": "0" * 64,
    "source_provenance": {"source": "<b>first</b>.onnx", "speedup": 1.5},
    "methods": ["channel", "spatial"],
    "storage": None,
    "images": 12,
    "versions": {"onnx": "1.2.3"},
}


@pytest.fixture(scope="module")
def reduction() -> Reduction:
    model = network()
    model.graph.node[0].name = "<script>alert(2)</script>"
    return reduce(model, target=1.7)


@pytest.fixture
def document(reduction: Reduction) -> dict[str, Any]:
    return reduction_document(reduction, PROVENANCE, max_drop_percent=1.0)


def test_document_is_plain_and_adds_up(document: dict[str, Any], reduction: Reduction) -> None:
    assert document["source"] == PROVENANCE["source"]
    sums = [sum(layer[f"macs_{when}"] for layer in document["layers"]) for when in ("before", "after")]
    assert document["macs_ratio"] == document["cost_ratio"] == sums[0] / sums[1] == reduction.speedup
    assert [layer["cost_after"] for layer in document["layers"]] == [
        layer["macs_after"] for layer in document["layers"]
    ]
    again = json.loads(json.dumps(document, allow_nan=False))
    assert [layer["name"] for layer in again["layers"]] == [layer.name for layer in reduction.layers]


def test_page_is_made_from_the_document_alone(document: dict[str, Any], tmp_path: Path) -> None:
    write_report(tmp_path / "new" / "report", document)
    read_back = json.loads((tmp_path / "new" / "report" / "report.json").read_text())
    page = (tmp_path / "new" / "report" / "report.html").read_text()
    assert reduction_page(read_back) == reduction_page(document) == page


def test_page_shows_every_layer_and_how_it_was_made(document: dict[str, Any]) -> None:
    page = reduction_page(document)
    assert page.count('<svg width="320"') == len(document["layers"])
    assert f"{document['macs_ratio']:.2f} times fewer multiply-adds" in page
    assert "fitted on 12 images" in page
    for layer in document["layers"]:
        assert f"{layer['macs_before']:,}</td>" in page
        assert (layer["method"] or layer["reason"]) in page
    assert "<th>source_sha256</th>" in page
    assert "<td>onnx 1.2.3</td>" in page


@pytest.mark.parametrize(("rank", "shown"), [(3, "3"), ([3, 5], "3 × 5"), ((3, 5), "3 × 5"), (None, "")])
def test_ranks(rank: object, shown: str, document: dict[str, Any]) -> None:
    layer = {**document["layers"][0], "rank": rank}
    assert f'<td class="number">{shown}</td>' in reduction_page({**document, "layers": [layer]})


def test_page_runs_nothing_and_fetches_nothing(document: dict[str, Any]) -> None:
    page = reduction_page(document)
    assert "<script" not in page
    assert "<b>first" not in page
    assert page.count("&lt;script&gt;") == 4
    assert not re.search(r"(src|href|url|@import)\s*[=(]", page)


def test_report_that_cannot_be_written(document: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write the report into"):
        write_report(tmp_path / "file" / "report", document)
    with pytest.raises(InputError, match="cannot write"):
        write_json(tmp_path / "none" / "out.json", document)
