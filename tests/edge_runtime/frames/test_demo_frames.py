"""The demo camera and its scenes, and the network that ships to read them."""

import itertools
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edge_runtime.base.errors import InputError
from edge_runtime.frames.characters import LABELS, draw_character
from edge_runtime.frames.demo import DemoSource, Scene, draw_scene
from edge_runtime.model import demo as demo_model
from edge_runtime.model.engines.onnxruntime import open_network
from edge_runtime.model.golden import golden_error
from edge_runtime.model.preprocess import Preprocessor

UNSEEN_SEED = 1000


def scene(seed: int, index: int, size: tuple[int, int] = (64, 64)) -> Scene:
    return draw_scene(np.random.default_rng((seed, index)), size)


def test_same_seed_draws_the_same_scene_and_another_seed_another() -> None:
    first, again, other = scene(5, 0), scene(5, 0), scene(6, 0)

    assert first.label == again.label
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)


def test_every_class_occurs() -> None:
    seen = {scene(7, index).label for index in range(600)}

    assert seen == set(LABELS)


@settings(max_examples=150, deadline=None)
@given(
    height=st.integers(16, 200), width=st.integers(16, 200), seed=st.integers(0, 2**32), index=st.integers(0)
)
def test_any_size_draws(height: int, width: int, seed: int, index: int) -> None:
    drawn = scene(seed, index, (height, width))

    assert drawn.image.shape == (height, width, 3)
    assert drawn.image.dtype == np.uint8
    assert drawn.label in LABELS


@pytest.mark.parametrize("size", [(15, 64), (64, 15), (0, 0), (-1, 64), (4097, 64), (64, 10**9)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="16 to 4096"):
        scene(0, 0, size)
    with pytest.raises(InputError, match="16 to 4096"):
        DemoSource(size)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(InputError, match="frame rate"):
        DemoSource(rate_hz=rate)


def test_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed"):
        DemoSource(seed=-1)


@pytest.mark.parametrize("label", LABELS)
def test_characters_fill_their_picture_to_the_edge(label: str) -> None:
    for seed in range(20):
        ink = draw_character(np.random.default_rng(seed), label)

        assert min(ink.shape) > 30
        assert ink[0].any()
        assert ink[-1].any()
        assert ink[:, 0].any()
        assert ink[:, -1].any()


def test_characters_are_not_clipped_by_their_canvas() -> None:
    """The widest and boldest strokes still leave the canvas's rim empty, so none was cut off there."""
    largest = max(
        max(draw_character(np.random.default_rng(seed), label).shape)
        for seed in range(60)
        for label in LABELS
    )

    assert largest < 6 * 10 + 2 * 16


def test_frames_carry_truth_sequence_and_time() -> None:
    source = DemoSource((48, 64), rate_hz=500, seed=3)
    frames = [frame for frame, _ in zip(source, range(20), strict=False)]
    source.close()

    assert source.live
    assert frames[0].sequence == 0
    for before, after in itertools.pairwise(frames):
        assert after.sequence > before.sequence
        assert after.captured_ns > before.captured_ns
    for frame in frames:
        expected = scene(3, frame.sequence, (48, 64))
        assert frame.label == expected.label
        assert np.array_equal(frame.image, expected.image)


def test_frames_never_come_before_their_time() -> None:
    """Whatever the load, frame n is not captured before n periods have passed: no drift to the front."""
    source = DemoSource((16, 16), rate_hz=200)
    start_ns = time.monotonic_ns()
    for frame, _ in zip(source, range(30), strict=False):
        assert frame.captured_ns - start_ns >= frame.sequence * 5_000_000
    source.close()


def test_frames_nobody_fetched_are_gone() -> None:
    source = DemoSource((16, 16), rate_hz=100)
    frames = iter(source)
    first = next(frames)
    time.sleep(0.25)
    second = next(frames)
    source.close()

    assert second.sequence - first.sequence >= 25
    assert second.captured_ns - first.captured_ns >= 250_000_000


def test_close_wakes_a_waiting_reader_and_may_be_repeated() -> None:
    source = DemoSource((16, 16), rate_hz=0.001)
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    time.sleep(0.05)
    source.close()
    source.close()
    reader.join(timeout=10)

    assert not reader.is_alive()
    assert list(source) == []


def test_shipped_network_is_small_and_knows_its_own_answer() -> None:
    path = demo_model.path()
    network = open_network(path, threads=1)
    card = network.card()

    assert path.stat().st_size <= 4 * 2**20
    assert tuple((card.labels or {}).values()) == LABELS
    assert golden_error(network, card) < 1e-4
    assert card.provenance is not None
    assert card.provenance["accuracy"]["top1_at_64x64"] >= 0.97


@pytest.mark.parametrize(("size", "scenes"), [((64, 64), 1000), ((240, 320), 300)])
def test_shipped_network_reads_fresh_scenes(size: tuple[int, int], scenes: int) -> None:
    network = open_network(demo_model.path())
    card = network.card()
    prepare = Preprocessor(card.input)
    right = 0
    for index in range(scenes):
        drawn = scene(UNSEEN_SEED, index, size)
        scores = network.run(prepare(drawn.image))[0]
        right += card.label(int(np.argmax(scores))) == drawn.label

    assert right / scenes >= 0.97
