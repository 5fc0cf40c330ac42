"""The training itself: the student learns the teacher's responses; the best state so far is never lost."""

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
from export.recovery.hints import Hints
from export.recovery.network import TorchNetwork
from export.recovery.pictures import Pictures
from export.recovery.schedule import Length, rate
from export.recovery.verdict import Verdict

log = logging.getLogger(__name__)

BATCH = 32
LEAST_STEPS = 8  # of an epoch: few images make smaller batches
FULL_RATE = 0.015  # of a tensor's size
SLOWER = 1 / 3  # the rate after an attempt that ended in NaN
ATTEMPTS = 4


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes:
        weights: The best found, by their names: those of the start where nothing was better.
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
        hints: Hints,
        *,
        pictures: Pictures,
        check: Callable[[TorchNetwork], Verdict],
        progress: Progress,
    ) -> None:
        """Prepare.

        Args:
            teacher: The original network.
            student: What became of it.
            hints: The loss.
            pictures: What to train on.
            check: Says, on other images, how near the student is to its teacher.
            progress: Told how far it is, and of the agreement so far.
        """
        self._teacher = teacher
        self._student = student
        self._hints = hints
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
        """
        started_s = time.monotonic()
        best, verdict = self._copy(), self._check(self._student)
        epochs, attempt, interrupted = 0.0, 1, False
        try:
            while length.share(epochs, time.monotonic() - started_s) < 1 and attempt <= ATTEMPTS:
                part = 0.0
                try:
                    for part in self._epoch():
                        seconds = time.monotonic() - started_s
                        share = length.share(epochs + part, seconds)
                        self._tell(length, epochs + part, seconds)
                        self._rate = FULL_RATE * self._slower * rate(min(1.0, share), epochs + part)
                        if share >= 1:
                            break
                    epochs += part
                    found = self._check(self._student)
                except _NotFiniteError:
                    attempt += 1
                    self._go_back(best)
                    continue
                self._progress("agreement so far, in percent", round(found.agreement.percent), 100)
                if found.divergence <= verdict.divergence:
                    best, verdict = self._copy(), found
        except KeyboardInterrupt:
            interrupted = True
        return Trained(best, epochs, self._batch, interrupted, attempt > ATTEMPTS)

    def _epoch(self) -> Iterator[float]:
        """Go through all images once; the share that is done, after each batch."""
        for images, done in self._pictures.epoch(self._batch):
            try:
                self._step(images)
            except RuntimeError as error:
                if not _is_for_want_of_memory(error) or self._batch == 1:
                    raise
                self._batch = max(1, len(images) // 2)
                log.warning(
                    "there is not enough memory for %d images at once: %d it is", len(images), self._batch
                )
                return
            yield done

    def _step(self, images: Tensor) -> None:
        images = images.to(self._student.device)
        with _precision(images.device):
            with torch.no_grad():
                original = self._teacher(images, self._hints.names)
            loss = self._hints(original, self._student(images, self._hints.names))
        if not bool(torch.isfinite(loss)):
            raise _NotFiniteError
        self._adam.forget_gradients()
        loss.backward()
        self._adam.step(self._rate)
        with torch.no_grad():
            for name, kept in self._kept.items():
                self._weights[name].mul_(kept)

    def _go_back(self, best: Mapping[str, Tensor]) -> None:
        """From a loss that is no number to the last good state, at a lower rate."""
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(best[name])
        self._slower *= SLOWER
        self._adam = Adam(self._weights)

    def _copy(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self._weights.items()}

    def _tell(self, length: Length, epochs: float, seconds: float) -> None:
        if length.minutes is not None:
            self._progress("training, in seconds", round(seconds), round(60 * length.minutes))
        else:
            images = len(self._pictures)
            self._progress("training", round(epochs * images), (length.epochs or 1) * images)


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
