"""A reduction and its recovery as one: ``reduce --recover``."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.base.errors import TargetUnmetError
from edge_runtime.base.files import write_bytes
from export.paths import AnyPath
from export.progress import Progress
from export.recovery.file import recover
from export.recovery.result import Recovery
from export.reduction.defaults import SANE_DROP_PERCENT
from export.reduction.file import Delivery, best_found_path

#: What a reduction to a target may lose before its recovery: beyond that there is little to begin with.
DROP_BEFORE_RECOVERY_PERCENT = 60.0


@dataclass(frozen=True)
class Aim:
    """What may be lost in the end.

    Attributes:
        max_drop_percent: Agreement that may be lost, as it was asked for; None if it was not.
        target: Whether a target was asked for; without one, what may be lost alone decides how far to go.
    """

    max_drop_percent: float | None
    target: bool

    @property
    def before_recovery_percent(self) -> float | None:
        """What the reduction alone may lose."""
        return DROP_BEFORE_RECOVERY_PERCENT if self.target else self.max_drop_percent

    def require_met(self, recovery: Recovery, path: Path) -> None:
        """Raise ``TargetUnmetError`` if a network lost too much even so; it then lies beside ``path``.

        Args:
            recovery: How it was recovered.
            path: Where the network lies.
        """
        if not self.target:
            return  # the reduction saw to it, and it got no worse
        allowed = SANE_DROP_PERCENT if self.max_drop_percent is None else self.max_drop_percent
        agreement = (recovery.after if recovery.delivered else recovery.before).agreement
        if agreement.loss_percent(allowed, surely=self.max_drop_percent is not None) > allowed:
            best = best_found_path(path)
            path.replace(best)
            raise TargetUnmetError(
                f"more than {allowed:g} % of agreement is lost even after recovery; the network is in {best}"
            )


def recover_delivery(
    delivery: Delivery,
    teacher: AnyPath,
    images: AnyPath,
    *,
    minutes: float | None,
    threads: int | None,
    seed: int,
    progress: Progress,
) -> Recovery:
    """Recover a network that was just reduced, in its place; it stays as it is where it does not get better.

    Args:
        delivery: What ``reduce`` wrote.
        teacher: What it was made of.
        images: What it was reduced on.
        minutes: How long to train; None for the usual number of passes.
        threads: Threads to use; all processors if None.
        seed: Decides what the training sees.
        progress: Told what is under way.

    Raises:
        InputError: There are too few images, or nothing was written.
        ModelRefusedError: The network holds an operator that cannot be trained.
    """
    if delivery.path is None:
        raise ValueError("a network that was not written cannot be recovered in its place")
    with tempfile.TemporaryDirectory(prefix="pi-export-") as folder:
        better = Path(folder) / delivery.path.name
        recovery = recover(
            delivery.path, teacher, images, better,
            minutes=minutes, threads=threads, seed=seed, progress=progress,
        )  # fmt: skip
        if recovery.delivered:
            write_bytes(delivery.path, better.read_bytes())
            recovery = replace(recovery, path=delivery.path)
    return recovery
