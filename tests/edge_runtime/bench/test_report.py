"""The benchmark's report: JSON there and back, table, Markdown, the comparing sentence."""

import contextlib
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from edge_runtime.bench.report import (
    BenchReport,
    Latency,
    Machine,
    ModelResult,
    comparison,
    display_names,
    from_json,
    markdown,
    table,
    to_json,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def model(name: str, scale: float) -> ModelResult:
    latency_ms = Latency(*(scale * factor for factor in (10.0, 11.0, 12.0, 10.2, 0.5, 9.5, 13.0)))
    return ModelResult(
        name=name,
        path=f"models/{name}",
        sha256="0" * 64,
        fps=100 / scale,
        latency_ms=latency_ms,
        load_ms=21.5,
        peak_rss_mib=120.0,
        model_rss_mib=60.25,
        frames=1234,
        round_p50_ms=(10.0 * scale, 10.1 * scale),
    )


MACHINE = Machine(
    model="Raspberry Pi 5",
    cpu="Cortex-A76",
    cores=4,
    arch="aarch64",
    os="Debian",
    kernel="6.12",
    memory_mib=8000.0,
    versions={"onnxruntime": "1.30.0"},
    threads=4,
    governor="ondemand",
    temperature_before_c=50.0,
    temperature_after_c=61.4,
    throttled_before=(),
    throttled_after=("under-voltage",),
)
REPORT = BenchReport(
    models=(model("base.onnx", 3.41), model("reduced.onnx", 1.0)),
    speedup=3.41,
    speedup_min=3.38,
    speedup_max=3.47,
    rss_ratio=0.62,
    valid=False,
    reasons=("base.onnx: medians of the rounds differ by 20%, more than 10%",),
    timed="session.run alone",
    source=None,
    seconds=2.0,
    rounds=5,
    machine=MACHINE,
    version="0.1.0",
)
ALONE = dataclasses.replace(
    REPORT,
    models=REPORT.models[1:],
    speedup=None,
    speedup_min=None,
    speedup_max=None,
    rss_ratio=None,
    valid=True,
    reasons=(),
)


@pytest.mark.parametrize("report", [REPORT, ALONE])
def test_json_there_and_back(report: BenchReport) -> None:
    assert from_json(to_json(report)) == report


def test_json_has_the_documented_keys() -> None:
    document = json.loads(to_json(REPORT))
    assert {"speedup", "rss_ratio", "valid", "reasons", "machine"} <= set(document)
    for each in document["models"]:
        assert {"fps", "latency_ms", "load_ms", "peak_rss_mib", "model_rss_mib"} <= set(each)
        assert {"p50", "p90", "p99", "mean", "stdev"} <= set(each["latency_ms"])


def test_keys_of_a_newer_release_are_ignored() -> None:
    document = json.loads(to_json(REPORT))
    for place in (document, document["machine"], document["models"][0], document["models"][0]["latency_ms"]):
        place["added_later"] = 1
    assert from_json(json.dumps(document)) == REPORT


@given(JSON)
def test_other_json_is_no_report(document: Any) -> None:
    with pytest.raises(ValueError, match="not a benchmark report"):
        from_json(json.dumps(document))


@given(st.sampled_from(sorted(json.loads(to_json(REPORT)))), JSON)
def test_a_damaged_report_is_refused_or_can_be_shown(key: str, value: Any) -> None:
    document = {**json.loads(to_json(REPORT)), key: value}
    report = None
    with contextlib.suppress(ValueError):
        report = from_json(json.dumps(document))
    if report is not None:
        assert table(report)
        assert markdown(report)


INFINITE = to_json(REPORT).replace('"load_ms": 21.5', '"load_ms": 1e999')


@pytest.mark.parametrize("text", ["", "hello", "[" * 100_000, '{"models": []}', "\0", INFINITE])
def test_garbage_is_no_report(text: str) -> None:
    with pytest.raises(ValueError, match="not a benchmark report"):
        from_json(text)


def test_the_sentence() -> None:
    assert comparison(REPORT) == (
        "reduced.onnx is 3.41x (3.38 to 3.47) faster than base.onnx, uses 0.62x the memory"
    )
    slower = dataclasses.replace(REPORT, speedup=0.5, speedup_min=0.4, speedup_max=0.8)
    assert "is 2.00x (1.25 to 2.50) slower than base.onnx" in str(comparison(slower))
    for speedup in (1.0, 1.5):
        hardly = dataclasses.replace(REPORT, speedup=speedup, speedup_min=0.9, speedup_max=1.6)
        assert f"is {speedup:.2f}x (0.90 to 1.60) faster than base.onnx" in str(comparison(hardly))
    assert comparison(ALONE) is None


def test_the_table_is_aligned_and_the_comparison_follows_it() -> None:
    header, base, reduced, *rest = table(REPORT).splitlines()
    assert header.startswith("Network")
    assert len(header) == len(base) == len(reduced)
    assert "34.8 ± 1.71" in base
    assert "10.2 ± 0.500" in reduced
    assert rest[1].strip() == comparison(REPORT)
    assert rest[-1].strip() == f"Warning: disturbed: {REPORT.reasons[0]}"


def test_the_table_says_where_and_how() -> None:
    for text in (table(REPORT), markdown(REPORT)):
        for fact in (
            "Raspberry Pi 5",
            "onnxruntime 1.30.0",
            "session.run alone",
            "50 °C",
            "61 °C",
            "ondemand",
        ):
            assert fact in text
    assert "Warning" not in table(ALONE)


def test_what_a_report_does_not_know_it_does_not_say() -> None:
    cold = dataclasses.replace(MACHINE, temperature_before_c=None, governor=None, os="unknown")
    assert "**" not in markdown(ALONE)
    text = table(dataclasses.replace(ALONE, machine=cold))
    assert text.splitlines()[2:3] == [""]  # no comparison follows the rows
    assert "Temperature" not in text
    assert "governor" not in text
    assert "unknown" not in text


def test_the_table_names_the_source_of_its_frames() -> None:
    assert "one fixed frame\n" in table(REPORT)
    assert "frames of film.mp4\n" in table(dataclasses.replace(REPORT, source="film.mp4"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (0.000012, "0.0000"),
        (1.0, "1.00"),
        (99.95, "100.0"),
        (1234.5, "1234"),
    ],
)
def test_figures_have_three_digits_and_no_exponent(value: float, shown: str) -> None:
    alone = dataclasses.replace(ALONE.models[0], load_ms=value)
    assert f"  {shown}  " in table(dataclasses.replace(ALONE, models=(alone,)))


def test_markdown_is_one_table() -> None:
    lines = markdown(REPORT).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 4
    assert len({row.count("|") for row in rows}) == 1


def test_a_report_of_another_machine_cannot_drive_our_terminal() -> None:
    hostile = dataclasses.replace(REPORT, machine=dataclasses.replace(MACHINE, model="\x1b[2J\nPi\x07"))
    for text in (table(hostile), markdown(hostile)):
        assert text.replace("\n", "").isprintable()
    assert len(table(hostile).splitlines()) == len(table(REPORT).splitlines())


def test_networks_with_one_file_name_are_told_apart_by_their_paths() -> None:
    assert display_names([("a/x.onnx", "ncnn"), ("b/x.onnx", "ncnn")]) == ["a/x.onnx", "b/x.onnx"]
    assert display_names([("a/x.onnx", "ncnn"), ("b/y.onnx", "ncnn")]) == ["x.onnx", "y.onnx"]


def test_engines_are_named_where_they_differ() -> None:
    contestants = [("a/x.onnx", "onnxruntime"), ("a/x.onnx", "ncnn")]
    assert display_names(contestants) == ["x.onnx (onnxruntime)", "x.onnx (ncnn)"]
