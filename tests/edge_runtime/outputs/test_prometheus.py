import math
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from prometheus_client.parser import text_string_to_metric_families

from edge_runtime.base.errors import InputError
from edge_runtime.machine.board import Condition
from edge_runtime.outputs.prometheus import Textfile, exposition
from edge_runtime.results.status import OutputState
from tests.edge_runtime.finished_frames import finished, status_source

UNKNOWN = Condition(None, None, None, None)


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample, as Prometheus' own reader of the format understands it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return samples(text)[name, frozenset(labels.items())]


def test_the_figures_of_a_run() -> None:
    source = status_source(finished(10), finished(25))
    source.states.append(lambda: OutputState("mqtt", failing=True, skipped=7))
    text = exposition(source.now())
    assert value(text, "pi_infer_frames_total") == 2
    assert value(text, "pi_infer_frames_dropped_total") == 2
    assert value(text, "pi_infer_latency_seconds", quantile="0.5") == pytest.approx(0.0125)
    assert value(text, "pi_infer_latency_seconds_sum") == pytest.approx(0.025)
    assert value(text, "pi_infer_latency_seconds_count") == 2
    assert value(text, "pi_infer_frame_age_seconds") == pytest.approx(0.02)
    assert value(text, "pi_infer_temperature_celsius") == 71.5
    assert value(text, "pi_infer_throttled") == 1
    assert value(text, "pi_infer_output_failing", output="mqtt") == 1
    assert value(text, "pi_infer_output_skipped_total", output="mqtt") == 7
    assert value(text, "pi_infer_resident_memory_bytes") > 1 << 20


def test_what_is_not_known_is_left_out() -> None:
    text = exposition(status_source(condition=UNKNOWN).now())
    names = {name for name, _ in samples(text)}
    assert "pi_infer_frames_total" in names
    assert not names & {"pi_infer_temperature_celsius", "pi_infer_throttled", "pi_infer_frame_age_seconds"}
    assert not any(math.isnan(found) for found in samples(text).values())


def test_throttling_that_is_over_is_no_throttling() -> None:
    source = status_source(condition=replace(UNKNOWN, throttled_bits=0x50000))
    assert value(exposition(source.now()), "pi_infer_throttled") == 0


@settings(deadline=None)
@given(name=st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_any_name_survives(name: str) -> None:
    status = status_source(finished(), model=name).now()
    found = [dict(labels) for key, labels in samples(exposition(status)) if key == "pi_infer_info"]
    assert [labels["model"] for labels in found] == [name]


def test_every_metric_has_its_words_and_type_once_and_before_its_samples() -> None:
    text = exposition(status_source(finished()).now())
    assert text.endswith("\n")
    seen: list[str] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            seen.append(line.split()[2])
        elif line.startswith("# TYPE "):
            assert line.split()[2] == seen[-1]
        else:
            assert line.startswith(seen[-1])
            assert math.isfinite(float(line.rsplit(" ", 1)[1]))
    assert len(seen) == len(set(seen))


def test_the_textfile_is_whole_readable_by_others_and_goes_with_us(tmp_path: Path) -> None:
    path = tmp_path / "pi-infer.prom"
    source = status_source()
    output = Textfile(path)
    for number in range(2):
        source.summary.add(finished(number))
        output.publish(source.now())
        assert value(path.read_text(), "pi_infer_frames_total") == number + 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]
    output.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["pi-infer.txt", "missing/x.prom", "."])
def test_a_textfile_that_cannot_work_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot write"):
        Textfile(tmp_path / name)
