import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.base.errors import InputError
from edge_runtime.frames.base import Frame
from edge_runtime.inference import Model
from edge_runtime.pipeline import Pipeline
from edge_runtime.settings.config import SourceConfig

MakeNetwork = Callable[..., Path]
LIMIT_S = 10.0


class Frames:
    """Frames with the given numbers, from a source that waits for its reader."""

    live = False
    limit_s = LIMIT_S

    def __init__(self, sequences: Sequence[int]) -> None:
        self.closed = 0
        self._sequences = sequences

    def __iter__(self) -> Iterator[Frame]:
        for sequence in self._sequences:
            yield Frame(np.full((10, 20, 3), sequence, np.uint8), sequence, 0, name=f"{sequence}.png")

    def close(self) -> None:
        self.closed += 1


class Bursts:
    """A live source that hands out a burst of frames each time it is told to, and says when it has."""

    live = True
    limit_s = LIMIT_S

    def __init__(self, *sizes: int) -> None:
        self.readers = 0
        self._sizes = sizes
        self._go = threading.Semaphore(0)
        self._done = threading.Semaphore(0)

    def __iter__(self) -> Iterator[Frame]:
        self.readers += 1
        sequence = 0
        for size in self._sizes:
            self._go.acquire(timeout=LIMIT_S)
            for _ in range(size):
                yield Frame(np.zeros((10, 20, 3), np.uint8), sequence, 0)
                sequence += 1
            self._done.release()

    def burst(self) -> None:
        self._go.release()
        assert self._done.acquire(timeout=LIMIT_S)

    def close(self) -> None:
        for _ in self._sizes:
            self._go.release()


def pipeline(source: Frames | Bursts, model: Path) -> Pipeline:
    return Pipeline(source, Model.open(model, threads=1))


def capture_threads() -> int:
    return sum(thread.name == "capture" for thread in threading.enumerate())


def test_each_frame_of_a_waiting_source_has_a_result(make_network: MakeNetwork) -> None:
    source = Frames([0, 1, 2])
    with pipeline(source, make_network((0.1, 0.7, 0.2))) as running:
        results = list(running)
    assert [found.words() for found in results] == [f"{number}.png: square 70.0 %" for number in range(3)]
    assert [found.dropped for found in results] == [0, 0, 0]
    assert source.closed


def test_drops_are_the_gaps_in_the_numbers_also_before_the_first(make_network: MakeNetwork) -> None:
    with pipeline(Frames([2, 3, 7]), make_network()) as running:
        assert [found.dropped for found in running] == [2, 2, 5]


def test_a_live_source_is_read_on_a_thread_and_only_its_newest_frame_is_run(
    make_network: MakeNetwork,
) -> None:
    source = Bursts(1, 4)
    with pipeline(source, make_network()) as running:
        threading.Thread(target=source.burst).start()
        results = iter(running)
        numbers = [next(results).frame.sequence]
        source.burst()
        numbers += [found.frame.sequence for found in results]
    assert numbers == [0, 4]


def test_a_second_loop_goes_on_where_the_first_stopped(make_network: MakeNetwork) -> None:
    with pipeline(Frames([0, 1, 2, 3]), make_network()) as running:
        first = [found.frame.sequence for found in islice(running, 2)]
        assert (first, [found.frame.sequence for found in running]) == ([0, 1], [2, 3])


def test_two_loops_read_a_live_source_on_one_thread_which_ends_with_the_pipeline(
    make_network: MakeNetwork,
) -> None:
    before = capture_threads()
    source = Bursts(1, 1, 1)
    with pipeline(source, make_network()) as running:
        for _ in range(2):
            threading.Thread(target=source.burst).start()
            next(iter(running))
        assert (source.readers, capture_threads()) == (1, before + 1)
    assert capture_threads() == before


@pytest.mark.parametrize("closed", [True, False])
def test_a_pipeline_at_its_end_says_so_instead_of_giving_nothing(
    make_network: MakeNetwork,
    closed: bool,  # noqa: FBT001
) -> None:
    with pipeline(Frames([0]), make_network()) as running:
        if closed:
            running.close()
        else:
            list(running)
        with pytest.raises(InputError, match="this pipeline is at its end: open another one"):
            list(running)


def test_the_model_may_change_between_two_frames(make_network: MakeNetwork) -> None:
    with pipeline(Frames([0, 1, 2]), make_network((0.1, 0.7, 0.2))) as running:
        words = []
        for found in running:
            words.append(found.result.words())
            if found.frame.sequence == 0:
                running.model = Model.open(make_network((0.8, 0.1, 0.1)))
    assert words == ["square 70.0 %", "circle 80.0 %", "circle 80.0 %"]


def test_a_model_that_cannot_be_read_takes_nobodys_place(make_network: MakeNetwork) -> None:
    with pipeline(Frames([0, 1]), make_network()) as running:
        results = iter(running)
        next(results)
        with pytest.raises(InputError, match="decoder"):
            running.model = Model.open(make_network(card={"task": "detect"}))
        assert next(results).best() is not None


def test_the_parts_of_the_latency_make_the_whole(make_network: MakeNetwork) -> None:
    with pipeline(Frames([0]), make_network()) as running:
        (found,) = running
    parts = found.preprocess_ms + found.inference_ms + found.postprocess_ms
    assert found.latency_ms == pytest.approx(parts)
    assert found.age_ms == pytest.approx(found.finished_ns / 1e6)


def test_nan_outputs_mark_the_frame_and_do_not_stop_the_run(make_network: MakeNetwork) -> None:
    with pipeline(Frames([0, 1]), make_network((0.5, float("nan"), 0.1))) as running:
        assert [found.result.valid for found in running] == [False, False]


def test_more_labels_than_scores_are_refused_in_one_line(make_network: MakeNetwork) -> None:
    with (
        pipeline(Frames([0]), make_network(card={"labels": ["a", "b", "c", "d"]})) as running,
        pytest.raises(InputError, match="names 4 classes but the network gives 3 scores"),
    ):
        list(running)


@pytest.mark.parametrize("as_section", [True, False])
def test_a_source_is_opened_from_its_text_or_its_section(
    make_network: MakeNetwork,
    pictures: Path,
    as_section: bool,  # noqa: FBT001
) -> None:
    source = SourceConfig(location=str(pictures)) if as_section else pictures
    with Pipeline.open(Model.open(make_network()), source) as running:
        assert [found.frame.name for found in running] == ["circle/1.png", "square/2.png"]


def test_a_model_that_cannot_be_read_leaves_the_source_closed(
    make_network: MakeNetwork, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_runtime.pipeline.open_source", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(InputError, match="decoder"):
        Pipeline.open(Model.open(make_network(card={"task": "detect"})), pictures)
