"""A reduction as it runs: progress, no temporary files left however it ends, the same bytes again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge_runtime.base.errors import InputError, PiInferError
from export.network.layers import network_of
from tests.attacks.networks import network
from tests.export import reduce_and_hash
from tests.export.reductions import (
    COUNT,
    PROJECT,
    reduce_on,
)
from tests.export.small_networks import (
    Array,
    images_for,
)

pytestmark = pytest.mark.usefixtures("scratch")


def steps_of(model: onnx.ModelProto) -> list[str]:
    """What progress is told, in order."""
    steps: list[str] = []
    found = network_of(model, None, "it")

    def tell(step: str, done: int, total: int) -> None:
        assert 1 <= done <= total == COUNT
        if step not in steps:
            steps.append(step)

    reduce_on(found, images_for(found, COUNT), tell, target=1.7)
    return steps


def test_progress_tells_each_step() -> None:
    steps = steps_of(network())
    assert steps[0] == "collecting responses"
    assert steps[1].startswith("fitting layer 1 of ")


@pytest.mark.parametrize("ending", [KeyboardInterrupt, PiInferError, MemoryError])
@pytest.mark.parametrize("part", [0.1, 0.4, 0.9])
def test_nothing_is_left_when_it_ends_early(ending: type[BaseException], part: float, scratch: Path) -> None:
    """Whatever ends the work, early, in the middle or late."""
    found = network_of(network(), None, "it")
    calls: list[str] = []
    reduce_on(found, images_for(found, COUNT), lambda step, *_: calls.append(step))
    last, sizes = round(part * len(calls)), []

    def stop(*_: object) -> None:
        sizes.append(sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file()))
        if len(sizes) == last:
            raise ending

    with pytest.raises(ending):
        reduce_on(found, images_for(found, COUNT), stop)
    assert max(sizes) > 0


def test_nothing_is_left_when_the_images_fail(scratch: Path) -> None:
    def images() -> Iterator[Array]:
        yield np.zeros((1, 3, 16, 16), np.float32)
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        reduce_on(network_of(network(), None, "it"), images())
    assert list(scratch.iterdir()) == []


def in_a_process_of_its_own(seed: int) -> str:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, reduce_and_hash.__file__, str(seed)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_same_seed_same_bytes() -> None:
    first, again, other = (in_a_process_of_its_own(seed) for seed in (7, 7, 8))
    assert len(first) == 64
    assert first == again == reduce_and_hash.main(7)
    assert first != other
