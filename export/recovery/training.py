"""The training itself: the student learns the teacher's responses; the best state so far is never lost.

It counts where a training ends before its time: by Ctrl-C, or because the loss became NaN. With a handful of
images held out (yolov5n, 5 of 52) the start seemed best to the end, though on others the end was far better.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from export.progress import Progress
from export.recovery.adam import Adam
from export.recovery.hints import Loss
from export.recovery.network import TorchNetwork
from export.recovery.pictures import Pictures
from export.recovery.schedule import Length, rate
from export.recovery.verdict import Verdict

log = logging.getLogger(__name__)

BATCH = 32
LEAST_STEPS = 8  # of an epoch: few images make smaller batches
# Of a filter's size. resnet18 at 3x after 5 epochs: 0.056 nats, at half of this 0.057, at twice 0.071.
FULL_RATE = 0.004
SLOWER = 1 / 3  # the rate after an attempt that ended in NaN
ATTEMPTS = 4


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        weights: By their names: those of the end, or the best so far if it did not get there.
        epochs: Passes over the images.
        batch: Images of a step.
        interrupted: Whether Ctrl-C ended it.
        gave_up: Whether it became NaN at every rate.
    """

    weights: Mapping[str, Tensor]
    epochs: float
    batch: int
    interrupted: bool
    gave_up: bool


class _NotFiniteError(Exception):
    """The loss is NaN, or infinite."""


class Trainer:
    """Trains a student, whose weights it changes."""

    def __init__(
        self,
        teacher: TorchNetwork,
        student: TorchNetwork,
        loss: Loss,
        *,
        pictures: Pictures,
        check: Callable[[TorchNetwork], Verdict],
        progress: Progress,
    ) -> None:
        """Prepare.

        Args:
            teacher: The original network.
            student: What became of it.
            loss: What is to become smaller.
            pictures: What to train on.
            check: Says, on other images, how near the student is to its teacher.
            progress: Told how far it is, and of the agreement so far.
        """
        self._teacher = teacher
        self._student = student
        self._loss = loss
        self._pictures = pictures
        self._check = check
        self._progress = progress
        self._weights = student.trainable()
        # What a sparse network has taken out stays out.
        self._kept = {name: weight != 0 for name, weight in self._weights.items() if weight.ndim > 1}
        self._kept = {name: kept for name, kept in self._kept.items() if not bool(kept.all())}
        self._batch = min(BATCH, max(1, len(pictures) // LEAST_STEPS))
        self._slower = 1.0
        self._rate = 0.0
        self._adam = Adam(self._weights)

    def run(self, length: Length) -> Trained:
        """Train, until the time is over or Ctrl-C is pressed.

        Args:
            length: How long.

        Raises:
            MemoryError: There is not enough even for one image at a time.
        """
        best = _State(self._copy(), self._check(self._student).divergence)
        way = _Way(length, len(self._pictures), time.monotonic())
        attempt, interrupted = 1, False
        try:
            while way.share() < 1 and attempt <= ATTEMPTS:
                try:
                    way.epochs += self._epoch(way)
                    best = self._better_of(best)
                except _NotFiniteError:
                    attempt += 1
                    self._go_back(best)
        except KeyboardInterrupt:
            interrupted = True
        # At the end of its way a training is best, whatever the few images held out say of states before.
        finished = not interrupted and attempt <= ATTEMPTS
        weights = self._copy() if finished else best.weights
        return Trained(weights, way.epochs, self._batch, interrupted, attempt > ATTEMPTS)

    def _epoch(self, way: "_Way") -> float:
        """Go through all images once, or until the time is over; the share of them that was seen."""
        seen = 0.0
        for images, done in self._pictures.epoch(self._batch):
            share = way.share(seen)
            if share >= 1:
                break
            self._rate = FULL_RATE * self._slower * rate(share, way.steps)
            try:
                self._step(images)
            except RuntimeError as error:
                if not _is_for_want_of_memory(error):
                    raise
                if len(images) == 1:
                    raise MemoryError from error
                self._batch = max(1, len(images) // 2)
                log.warning(
                    "there is not enough memory for %d images at once: %d it is", len(images), self._batch
                )
                break
            seen = done
            way.steps += 1
            self._progress(*way.progress(seen))
        return seen

    def _better_of(self, best: "_State") -> "_State":
        """The student as it is now, or the best so far."""
        verdict = self._check(self._student)
        self._progress("agreement so far, in percent", round(verdict.agreement.percent), 100)
        return _State(self._copy(), verdict.divergence) if verdict.divergence <= best.divergence else best

    def _step(self, images: Tensor) -> None:
        images = images.to(self._student.device)
        with _precision(images.device):
            with torch.no_grad():
                original = self._teacher(images, self._loss.names)
            loss = self._loss(original, self._student(images, self._loss.names))
        if not bool(torch.isfinite(loss)):
            raise _NotFiniteError
        self._adam.forget_gradients()
        loss.backward()
        self._adam.step(self._rate)
        with torch.no_grad():
            for name, kept in self._kept.items():
                self._weights[name].mul_(kept)

    def _go_back(self, best: "_State") -> None:
        """From a loss that is no number to the last good state, at a lower rate."""
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(best.weights[name])
        self._slower *= SLOWER
        self._adam = Adam(self._weights)

    def _copy(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self._weights.items()}


@dataclass(frozen=True)
class _State:
    """Weights of the student, and how far it then is from its teacher on images held out."""

    weights: Mapping[str, Tensor]
    divergence: float


@dataclass
class _Way:
    """How far a training has come.

    Attributes:
        length: How long it is to be.
        images: That it trains on.
        started_s: When it began, by the monotonic clock.
        epochs: Passes over the images that are finished.
        steps: Batches that were learnt from.
    """

    length: Length
    images: int
    started_s: float
    epochs: float = 0.0
    steps: int = 0

    def share(self, part: float = 0.0) -> float:
        """How much is behind, with a part of the next pass: 1 or more at the end."""
        return self.length.share(self.epochs + part, self._seconds)

    def progress(self, part: float) -> tuple[str, int, int]:
        """What to tell, with a part of the next pass: what is done, how far, of how much."""
        if self.length.minutes is not None:
            return "training, in seconds", round(self._seconds), round(60 * self.length.minutes)
        whole = (self.length.epochs or 1) * self.images
        return "training", round((self.epochs + part) * self.images), whole

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self.started_s


@contextmanager
def _precision(device: torch.device) -> Iterator[None]:
    """bfloat16 where the processor multiplies in it: half the time; elsewhere it would be slower."""
    if device.type == "cpu":
        known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        pays = bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    else:
        pays = torch.cuda.is_bf16_supported()
    with torch.autocast(device.type, torch.bfloat16, enabled=pays):
        yield


def _is_for_want_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
