import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.frames.base import Frame
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.engines.onnxruntime import open_network
from edge_runtime.pipeline import Pipeline, RunSettings, open_pipeline
from edge_runtime.settings.config import SourceConfig

MakeNetwork = Callable[..., Path]


class Frames:
    """Frames with the given numbers; a live source is drained before the pipeline looks."""

    def __init__(self, sequences: list[int], *, live: bool = False) -> None:
        self.live = live
        self.limit_s = 10.0
        self.closed = 0
        self.drained = threading.Event()
        self._sequences = sequences

    def __iter__(self) -> Iterator[Frame]:
        for sequence in self._sequences:
            yield Frame(np.full((10, 20, 3), sequence, np.uint8), sequence, 0, name=f"{sequence}.png")
        self.drained.set()

    def close(self) -> None:
        self.closed += 1


def pipeline(source: Frames, model: Path) -> Pipeline:
    network = open_network(model, threads=1)
    return Pipeline(source, network, network.card())


def test_each_frame_of_a_waiting_source_has_a_result(make_network: MakeNetwork) -> None:
    source = Frames([0, 1, 2])
    with pipeline(source, make_network((0.1, 0.7, 0.2))) as running:
        results = list(running)
    assert [found.frame.sequence for found in results] == [0, 1, 2]
    assert [found.result.to_json()["labels"][0]["label"] for found in results] == ["square"] * 3
    assert [found.dropped for found in results] == [0, 0, 0]
    assert source.closed


def test_drops_are_the_gaps_in_the_numbers_also_before_the_first(make_network: MakeNetwork) -> None:
    with pipeline(Frames([2, 3, 7]), make_network()) as running:
        assert [found.dropped for found in running] == [2, 2, 5]


def test_a_live_source_is_read_on_a_thread_and_only_its_newest_frame_is_run(
    make_network: MakeNetwork,
) -> None:
    source = Frames([0, 1, 2, 3, 4], live=True)
    with pipeline(source, make_network()) as running:
        frames = running._frames()  # starts the thread  # noqa: SLF001
        assert source.drained.wait(10)
        assert [frame.sequence for frame in frames] == [4]
    assert source.closed


def test_the_parts_of_the_latency_make_the_whole(make_network: MakeNetwork) -> None:
    with pipeline(Frames([0]), make_network()) as running:
        (found,) = running
    parts = found.preprocess_ms + found.inference_ms + found.postprocess_ms
    assert found.latency_ms == pytest.approx(parts)
    assert found.age_ms == pytest.approx(found.finished_ns / 1e6)


def test_the_documented_keys_of_a_frame(make_network: MakeNetwork) -> None:
    with pipeline(Frames([3]), make_network()) as running:
        (found,) = running
    document = found.to_json()
    assert list(document) == [
        "frame", "name", "truth", "time", "age_ms", "latency_ms", "preprocess_ms", "inference_ms",
        "postprocess_ms", "dropped", "valid", "labels",
    ]  # fmt: skip
    assert (document["frame"], document["name"], document["truth"]) == (3, "3.png", None)


def test_nan_outputs_mark_the_frame_and_do_not_stop_the_run(make_network: MakeNetwork) -> None:
    with pipeline(Frames([0, 1]), make_network((0.5, float("nan"), 0.1))) as running:
        assert [found.to_json()["valid"] for found in running] == [False, False]


def test_a_card_that_does_not_fit_is_refused(make_network: MakeNetwork) -> None:
    network = open_network(make_network(), threads=1)
    with pytest.raises(InputError, match="the model card does not fit"):
        Pipeline(Frames([]), network, ModelCard(InputSpec(size=(25, 32))))


def test_more_labels_than_scores_are_refused_in_one_line(make_network: MakeNetwork) -> None:
    with (
        pipeline(Frames([0]), make_network(card={"labels": ["a", "b", "c", "d"]})) as running,
        pytest.raises(InputError, match="names 4 classes but the network gives 3 scores"),
    ):
        list(running)


def test_settings_without_a_network_need_the_demo(pictures: Path) -> None:
    with pytest.raises(InputError, match="--model"):
        open_pipeline(RunSettings(source=SourceConfig(location=str(pictures))))


def test_another_card_may_be_given(make_network: MakeNetwork, pictures: Path, tmp_path: Path) -> None:
    model = make_network()
    card = tmp_path / "other.json"
    card.write_text('{"input": {"size": [24, 32]}, "task": "raw"}')
    with open_pipeline(
        RunSettings(model=model, source=SourceConfig(location=str(pictures)), card=card)
    ) as running:
        document = next(iter(running)).to_json()
    assert document["outputs"][0]["values"] == pytest.approx([0.1, 0.7, 0.2])
